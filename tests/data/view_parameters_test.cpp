// SPDX-License-Identifier: Apache-2.0
#include "data/view_parameters.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace msn {
namespace {

TEST(ViewParameters, ArePureFunctionsOfTheirKey) {
  const ViewsConfig config;
  const auto draw = [&](const ViewKey& key) { return draw_view(config, 500, 375, key); };
  const ViewParameters base = draw({1, 2, 3, 4});
  EXPECT_EQ(base.crop, draw({1, 2, 3, 4}).crop);
  EXPECT_EQ(base.radius, draw({1, 2, 3, 4}).radius);
  EXPECT_EQ(base.factors, draw({1, 2, 3, 4}).factors);
  for (const ViewKey& other : {ViewKey{2, 2, 3, 4}, ViewKey{1, 3, 3, 4}, ViewKey{1, 2, 4, 4}, ViewKey{1, 2, 3, 5}}) {
    EXPECT_FALSE(base.crop == draw(other).crop);
    EXPECT_NE(base.radius, draw(other).radius);
  }
}

TEST(ViewParameters, HaveTheirProbabilitiesAndRanges) {
  ViewsConfig config;
  config.jitter = 0.5;
  config.blur = 0.5;
  constexpr int n = 20000;
  int flip = 0, jitter = 0, gray = 0, blur = 0;
  std::map<std::array<ColourOperation, 4>, int> orders;
  double hue_square = 0, radius = 0;
  for (int i = 0; i < n; ++i) {
    const ViewParameters view = draw_view(config, 64, 48, {9, 0, static_cast<std::uint64_t>(i), 1});
    flip += view.flip;
    jitter += view.jitter;
    gray += view.grayscale;
    blur += view.blur;
    ++orders[view.order];
    for (std::size_t k = 0; k < 3; ++k) {
      ASSERT_GE(view.factors[k], 0.6);
      ASSERT_LT(view.factors[k], 1.4);
    }
    ASSERT_LT(std::abs(view.factors[3]), 0.1);
    hue_square += view.factors[3] * view.factors[3];
    ASSERT_GE(view.radius, 0.1f);
    ASSERT_LE(view.radius, 2.0f);
    radius += view.radius;
  }
  const auto near = [](int count, double probability) {
    return std::abs(count - n * probability) < 5 * std::sqrt(n * probability * (1 - probability));
  };
  EXPECT_TRUE(near(flip, 0.5));
  EXPECT_TRUE(near(jitter, 0.8));
  EXPECT_TRUE(near(gray, 0.2));
  EXPECT_TRUE(near(blur, 0.5));
  EXPECT_EQ(orders.size(), 24u);
  for (const auto& [order, count] : orders)
    EXPECT_TRUE(near(count, 1.0 / 24));
  EXPECT_NEAR(hue_square / n, 0.01 / 3, 0.0002);
  EXPECT_NEAR(radius / n, 1.05, 0.02);
}

TEST(ViewParameters, FocalViewsAreSmaller) {
  const ViewsConfig config;
  double large = 0, small = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const CropBox a = draw_view(config, 500, 375, {1, 0, i, 1}).crop;
    const CropBox b = draw_view(config, 500, 375, {1, 0, i, 2}).crop;
    large += a.width * a.height;
    small += b.width * b.height;
  }
  EXPECT_GT(large, 2 * small);
}

TEST(ViewParameters, StrongJitterKeepsFactorsAtZeroOrMore) {
  ViewsConfig config;
  config.jitter = 1.5;
  for (std::uint64_t i = 0; i < 500; ++i) {
    EXPECT_GE(draw_view(config, 32, 32, {1, 0, i, 0}).factors[0], 0.0);
  }
}

}  // namespace
}  // namespace msn
