// SPDX-License-Identifier: Apache-2.0
// The distribution of RandomResizedCrop's boxes against torchvision's (rrc_stats.json).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "data/view_parameters.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr int draws = 40000;

/// Compares mean, spread and quantiles. `step` is the size of one level of a discrete quantity.
void expect_same_distribution(std::vector<double> values, const nlohmann::json& expected,
                              const std::vector<double>& levels, double step, const std::string& what) {
  ASSERT_FALSE(values.empty()) << what;
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double mean = 0, square = 0;
  for (const double value : values)
    mean += value / n;
  for (const double value : values)
    square += (value - mean) * (value - mean) / n;
  const double spread = expected.at("std");
  EXPECT_NEAR(mean, expected.at("mean").get<double>(), 5 * spread / std::sqrt(n) + 1e-9) << what;
  EXPECT_NEAR(std::sqrt(square), spread, 5 * spread / std::sqrt(n) + 1e-9) << what;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    // The expected value must lie between our quantiles at levels 5 standard errors lower and higher.
    const double slack = 5 * std::sqrt(levels[i] * (1 - levels[i]) / n) + 2 / n;
    const auto at = [&](double level) { return values[static_cast<std::size_t>(std::clamp(level * n, 0.0, n - 1))]; };
    const double quantile = expected.at("quantiles").at(i);
    EXPECT_GE(quantile, at(levels[i] - slack) - step) << what << " at " << levels[i];
    EXPECT_LE(quantile, at(levels[i] + slack) + step) << what << " at " << levels[i];
  }
}

TEST(CropGolden, HasTorchvisionsDistribution) {
  const auto golden = nlohmann::json::parse(read_text(test::golden("rrc_stats.json")));
  const std::vector<double> levels = golden.at("quantile_levels");
  for (const auto& expected : golden.at("cases")) {
    const int width = expected.at("width");
    const int height = expected.at("height");
    const std::array<double, 2> scale = expected.at("scale");
    const std::string what = std::to_string(width) + "x" + std::to_string(height) + " from " + std::to_string(scale[0]);
    SCOPED_TRACE(what);
    CropBox fallback{-1, -1, -1, -1};
    if (!expected.at("fallback_box").is_null()) {
      const std::array<int, 4> box = expected.at("fallback_box");
      fallback = {box[0], box[1], box[2], box[3]};
    }
    std::vector<double> area, aspect, top, left, h, w;
    int fallbacks = 0;
    for (int i = 0; i < draws; ++i) {
      RandomStream stream(5, 0, static_cast<std::uint64_t>(i), 0, Purpose::crop);
      const CropBox box = draw_crop(stream, width, height, scale);
      ASSERT_TRUE(box.top >= 0 && box.left >= 0 && box.top + box.height <= height && box.left + box.width <= width);
      if (box == fallback) {
        ++fallbacks;
        continue;
      }
      area.push_back(static_cast<double>(box.width) * box.height / (static_cast<double>(width) * height));
      aspect.push_back(static_cast<double>(box.width) / box.height);
      if (box.height < height) top.push_back(static_cast<double>(box.top) / (height - box.height));
      if (box.width < width) left.push_back(static_cast<double>(box.left) / (width - box.width));
      h.push_back(box.height);
      w.push_back(box.width);
    }
    const double share = expected.at("fallback_share");
    EXPECT_NEAR(fallbacks, draws * share, 5 * std::sqrt(draws * share * (1 - share)) + 3);
    expect_same_distribution(area, expected.at("area_fraction"), levels, 1e-9, "area");
    expect_same_distribution(aspect, expected.at("aspect_w_over_h"), levels, 1e-9, "aspect");
    expect_same_distribution(top, expected.at("top_fraction"), levels, 1e-9, "top");
    expect_same_distribution(left, expected.at("left_fraction"), levels, 1e-9, "left");
    expect_same_distribution(h, expected.at("h"), levels, 1e-9, "height");
    expect_same_distribution(w, expected.at("w"), levels, 1e-9, "width");
  }
}

}  // namespace
}  // namespace msn
