// SPDX-License-Identifier: Apache-2.0
#include "evaluate/mixing.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/made_up.hpp"

namespace msn {
namespace {

// Mean 1/2 and variance 1 / (4 (2 alpha + 1)) of Beta(alpha, alpha); shapes below and above 1 take different ways.
TEST(Mixing, DrawsBetaVariates) {
  for (const double alpha : {0.2, 0.8, 1.0, 4.0}) {
    RandomStream stream(7, 0, static_cast<std::uint64_t>(alpha * 10), 0, Purpose::mixing);
    constexpr int n = 20000;
    double sum = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
      const double x = draw_beta(stream, alpha, alpha);
      ASSERT_GE(x, 0);
      ASSERT_LE(x, 1);
      sum += x;
      squares += (x - 0.5) * (x - 0.5);
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(sum / n, 0.5, 4 * std::sqrt(variance / n)) << alpha;
    EXPECT_NEAR(squares / n, variance, 0.04 * variance) << alpha;
  }
  RandomStream stream(7, 0, 99, 0, Purpose::mixing);
  double sum = 0;
  for (int i = 0; i < 20000; ++i)
    sum += draw_beta(stream, 1, 3);
  EXPECT_NEAR(sum / 20000, 0.25, 0.006);
}

TEST(Mixing, DrawsOneOfBothOrTheOneThatIsOn) {
  int cuts = 0;
  for (std::uint64_t step = 0; step < 400; ++step) {
    const Mix mix = draw_mix({}, 32, 3, 1, step);
    cuts += mix.cut ? 1 : 0;
    EXPECT_GE(mix.own, 0);
    EXPECT_LE(mix.own, 1);
    if (mix.cut) {
      EXPECT_LE(mix.top + mix.height, 32);
      EXPECT_LE(mix.left + mix.width, 32);
      EXPECT_DOUBLE_EQ(mix.own, 1 - static_cast<double>(mix.height * mix.width) / 1024);
    }
    EXPECT_FALSE(draw_mix({0.8, 0}, 32, 3, 1, step).cut);
    EXPECT_TRUE(draw_mix({0, 1}, 32, 3, 1, step).cut);
    EXPECT_EQ(draw_mix({0, 0}, 32, 3, 1, step).own, 1);
  }
  EXPECT_GT(cuts, 160);
  EXPECT_LT(cuts, 240);
  EXPECT_EQ(draw_mix({}, 32, 3, 1, 5).own, draw_mix({}, 32, 3, 1, 5).own);
}

TEST(Mixing, GivesEachImageItsShareOfItsPartner) {
  const at::Tensor images = test::made_up({4, 3, 8, 8}, at::kFloat, 1);
  at::Tensor mixed = images.clone();
  Mix mix;
  mix.own = 0.75;
  mix_pairs(mixed, mix);
  const std::vector<std::int64_t> partner{2, 3, 0, 1};
  for (std::int64_t i = 0; i < 4; ++i) {
    const at::Tensor want = 0.75 * images[i] + 0.25 * images[partner[static_cast<std::size_t>(i)]];
    EXPECT_LE((mixed[i] - want).abs().max().item<double>(), 1e-6) << i;
  }

  mix = {.own = 1 - 6.0 / 64, .cut = true, .top = 1, .left = 4, .height = 2, .width = 3};
  mixed = images.clone();
  mix_pairs(mixed, mix);
  for (std::int64_t i = 0; i < 4; ++i) {
    at::Tensor want = images[i].clone();
    want.narrow(1, 1, 2).narrow(2, 4, 3).copy_(
        images[partner[static_cast<std::size_t>(i)]].narrow(1, 1, 2).narrow(2, 4, 3));
    EXPECT_TRUE(mixed[i].equal(want)) << i;
  }
}

TEST(Mixing, SmoothsAndMixesLabels) {
  Mix mix;
  mix.own = 0.75;
  const at::Tensor targets = mixed_targets(std::vector<std::int32_t>{0, 1, 3, 1}, 4, mix, 0.2);
  EXPECT_LE((targets.sum(1) - 1).abs().max().item<double>(), 1e-15);
  EXPECT_NEAR(targets[0][0].item<double>(), 0.05 + 0.8 * 0.75, 1e-15);
  EXPECT_NEAR(targets[0][3].item<double>(), 0.05 + 0.8 * 0.25, 1e-15);
  EXPECT_NEAR(targets[0][1].item<double>(), 0.05, 1e-15);
  EXPECT_NEAR(targets[1][1].item<double>(), 0.05 + 0.8, 1e-15);
  EXPECT_NEAR(targets[2][3].item<double>(), 0.05 + 0.8 * 0.75, 1e-15);
  EXPECT_NEAR(targets[2][0].item<double>(), 0.05 + 0.8 * 0.25, 1e-15);
}

}  // namespace
}  // namespace msn
