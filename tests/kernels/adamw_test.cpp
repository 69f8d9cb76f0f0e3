// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "support/kernels.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

/// Replays the five recorded steps of torch's AdamW; `tolerance` is relative to the recorded value.
template <class T>
void replay(const std::string& name, double tolerance, kernels::InstructionSet set) {
  const h5::File file(test::golden("optim.h5"), h5::Mode::read);
  const auto gradients = file.read<T>("adamw/gradient");
  const auto rate = file.read<double>("adamw/rate");
  const auto decay = file.read<double>("adamw/weight_decay");
  auto parameters = file.read<T>("adamw/start");
  const std::size_t n = parameters.size();
  std::vector<T> exp_avg(n), exp_avg_sq(n), target(n, T(1)), expected_target(n, T(1));
  const std::vector<kernels::UpdateRange> ranges{{0, 3, true, 1.0, true},
                                                 {3, static_cast<std::int64_t>(n), true, 1.0, false}};
  for (std::size_t step = 0; step < rate.size(); ++step) {
    const std::span<const T> gradient(gradients.data() + step * n, n);
    kernels::AdamWStep facts;
    facts.lr = rate[step];
    facts.weight_decay = decay[step];
    facts.count = static_cast<std::int64_t>(step) + 1;
    facts.ema_momentum = 0.9;
    kernels::adamw_ema<T>(parameters, gradient, exp_avg, exp_avg_sq, target, ranges, facts, {}, set);
    const auto compare = [&](const std::vector<T>& mine, const std::string& what) {
      const auto reference = file.read<T>("adamw/" + name + "/" + what);
      for (std::size_t i = 0; i < n; ++i) {
        const double want = reference[step * n + i];
        EXPECT_NEAR(mine[i], want, tolerance * std::abs(want)) << what << " of element " << i << " after step " << step;
      }
    };
    compare(parameters, "parameter");
    compare(exp_avg, "exp_avg");
    compare(exp_avg_sq, "exp_avg_sq");
    for (std::size_t i = 0; i < 3; ++i)
      expected_target[i] = T(0.9) * expected_target[i] + T(1.0 - 0.9) * parameters[i];
  }
  for (std::size_t i = 0; i < n; ++i)
    EXPECT_NEAR(target[i], expected_target[i], 1e-6) << i;
}

// Rounding only: the order of operations differs from torch's two kernels as these differ from each other, and a moment
// that cancels against a gradient of the other sign magnifies it a few times.
TEST(AdamW, MatchesTorchInFloat32) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    replay<float>("float32_foreach", 1e-6, set);
    replay<float>("float32_fused", 1e-6, set);
  }
}

TEST(AdamW, MatchesTorchInFloat64) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    replay<double>("float64_foreach", 1e-14, set);
    replay<double>("float64_fused", 1e-14, set);
  }
}

TEST(AdamW, ScalesDecaysAndAveragesOnlyWhereToldTo) {
  std::vector<double> parameters{1, 1, 1, 1}, exp_avg(4), exp_avg_sq(4), target(2, 5.0);
  const std::vector<double> gradients(4, 2.0);
  kernels::AdamWStep step;
  step.lr = 0.1;
  step.weight_decay = 0.5;
  step.ema_momentum = 0.25;
  // Element 3 belongs to no range: padding stays as it is.
  const std::vector<kernels::UpdateRange> ranges{
      {0, 1, true, 0.5, true}, {1, 2, false, 1.0, true}, {2, 3, true, 1.0, false}};
  kernels::adamw_ema<double>(parameters, gradients, exp_avg, exp_avg_sq, target, ranges, step);
  EXPECT_NEAR(exp_avg[0], 0.1 * 1.0, 1e-15);
  EXPECT_NEAR(exp_avg[1], 0.1 * 2.0, 1e-15);
  EXPECT_NEAR(parameters[0], 0.95 - 0.1, 1e-8);
  EXPECT_NEAR(parameters[1], 1.0 - 0.1, 1e-8);
  EXPECT_NEAR(parameters[2], 0.95 - 0.1, 1e-8);
  EXPECT_EQ(parameters[3], 1.0);
  EXPECT_EQ(target[0], 0.25 * 5.0 + 0.75 * parameters[0]);
  EXPECT_EQ(target[1], 0.25 * 5.0 + 0.75 * parameters[1]);
}

// A gradient that is a sum over ranks makes the update of its mean.
TEST(AdamW, WithScaledGradientsAndEpsilonMakesTheSameUpdate) {
  constexpr double ranks = 3;
  const std::vector<double> gradients{1e-9, -2e-8, 0.3, -4.0};
  std::vector<double> sums;
  for (const double gradient : gradients)
    sums.push_back(gradient * ranks);
  std::vector<double> whole{1, 1, 1, 1}, part = whole, whole_first(4), whole_second(4), first(4), second(4), target;
  kernels::AdamWStep step;
  step.lr = 0.1;
  for (step.count = 1; step.count <= 3; ++step.count) {
    kernels::adamw_ema<double>(whole, sums, whole_first, whole_second, target, {{0, 4}}, step);
    kernels::adamw_ema<double>(part, sums, first, second, target, {{0, 4, false, 1 / ranks, false, 1 / ranks}}, step);
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    EXPECT_NEAR(part[i], whole[i], 1e-14) << i;
    EXPECT_NEAR(first[i] * ranks, whole_first[i], 1e-15 * std::abs(whole_first[i]) * 4) << i;
    EXPECT_NEAR(second[i] * ranks * ranks, whole_second[i], 1e-15 * whole_second[i] * 4) << i;
  }
}

/// Flat buffers longer than two rows of the kernel, made up.
struct Buffers {
  std::vector<float> parameters = test::stored<float>(test::uniform(kSize, -1, 1, 1));
  std::vector<float> gradients = test::stored<float>(test::uniform(kSize, -1, 1, 2));
  std::vector<float> exp_avg = test::stored<float>(test::uniform(kSize, -0.1, 0.1, 3));
  std::vector<float> exp_avg_sq = test::stored<float>(test::uniform(kSize, 0, 0.01, 4));
  std::vector<float> target = test::stored<float>(test::uniform(kTarget, -1, 1, 5));
  std::vector<kernels::Bf16> shadow{kSize, kUntouched}, target_shadow{kTarget, kUntouched};

  static constexpr std::int64_t kSize = 50001, kTarget = 40000;
  static constexpr kernels::Bf16 kUntouched{0x1234};

  void update(kernels::InstructionSet set, bool shadows) {
    kernels::AdamWStep step;
    step.lr = 1e-2;
    step.weight_decay = 0.1;
    step.count = 3;
    step.ema_momentum = 0.99;
    kernels::Bf16Shadows rounded;
    if (shadows) rounded = {shadow, target_shadow};
    kernels::adamw_ema<float>(parameters, gradients, exp_avg, exp_avg_sq, target, ranges(), step, rounded, set);
  }
  /// One begins within a row and ends in the next, one is short, one goes to the end; two gaps.
  static std::vector<kernels::UpdateRange> ranges() {
    return {{16, 16387, true, 0.5, true},
            {16387, 16390, false, 0.5, true},
            {16400, kTarget, true, 0.5, true},
            {kTarget + 8, kSize, false, 0.25, false, 0.25}};
  }
};

/// As the comment of adamw_ema() says, in double, from float32 values; nothing outside the ranges changes.
TEST(AdamW, EveryInstructionSetGivesTheFormulaAndLeavesTheRest) {
  const Buffers before;
  std::vector<const kernels::UpdateRange*> range_of(Buffers::kSize);
  const std::vector<kernels::UpdateRange> ranges = Buffers::ranges();
  for (const kernels::UpdateRange& range : ranges) {
    for (std::int64_t i = range.begin; i < range.end; ++i)
      range_of[static_cast<std::size_t>(i)] = &range;
  }
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    Buffers after;
    after.update(set, true);
    for (std::size_t i = 0; i < Buffers::kSize; ++i) {
      const kernels::UpdateRange* range = range_of[i];
      if (range == nullptr) {
        ASSERT_EQ(after.parameters[i], before.parameters[i]) << i;
        ASSERT_EQ(after.exp_avg[i], before.exp_avg[i]) << i;
        ASSERT_EQ(after.exp_avg_sq[i], before.exp_avg_sq[i]) << i;
        ASSERT_EQ(after.shadow[i].bits, Buffers::kUntouched.bits) << i;
      } else {
        const double gradient = range->gradient_scale * before.gradients[i];
        const double first = 0.9 * before.exp_avg[i] + 0.1 * gradient;
        const double second = 0.999 * before.exp_avg_sq[i] + 0.001 * gradient * gradient;
        const double denominator = std::sqrt(second / (1 - std::pow(0.999, 3))) + 1e-8 * range->epsilon_scale;
        const double decayed = before.parameters[i] * (range->decays ? 1 - 1e-3 : 1.0);
        const double parameter = decayed - 1e-2 * first / (1 - std::pow(0.9, 3)) / denominator;
        ASSERT_NEAR(after.exp_avg[i], first, 3e-8) << i;
        ASSERT_NEAR(after.exp_avg_sq[i], second, 2e-9) << i;
        ASSERT_NEAR(after.parameters[i], parameter, 2e-7) << i;
        ASSERT_EQ(test::value(after.shadow[i]), test::nearest_bf16(after.parameters[i])) << i;
      }
      if (i >= Buffers::kTarget) continue;
      if (range == nullptr || !range->averaged) {
        ASSERT_EQ(after.target[i], before.target[i]) << i;
        ASSERT_EQ(after.target_shadow[i].bits, Buffers::kUntouched.bits) << i;
      } else {
        ASSERT_NEAR(after.target[i], 0.99 * before.target[i] + 0.01 * after.parameters[i], 2e-7) << i;
        ASSERT_EQ(test::value(after.target_shadow[i]), test::nearest_bf16(after.target[i])) << i;
      }
    }
    Buffers without;
    without.update(set, false);
    EXPECT_EQ(without.parameters, after.parameters) << "with shadows, the same numbers";
    EXPECT_EQ(without.target, after.target);
  }
}

TEST(AdamW, HasTheSameBitsForAnyNumberOfThreads) {
  Buffers one, three;
  omp_set_num_threads(1);
  one.update(kernels::instruction_set(), true);
  omp_set_num_threads(3);
  three.update(kernels::instruction_set(), true);
  omp_set_num_threads(1);
  EXPECT_EQ(one.parameters, three.parameters);
  EXPECT_EQ(one.exp_avg_sq, three.exp_avg_sq);
  EXPECT_EQ(one.target, three.target);
}

TEST(AdamW, WhatIsNotFiniteIsSeen) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    Buffers buffers;
    buffers.gradients[100] = std::nanf("");
    buffers.target[101] = std::numeric_limits<float>::infinity();
    buffers.update(set, true);
    EXPECT_TRUE(std::isnan(buffers.parameters[100]) && std::isnan(test::value(buffers.shadow[100])));
    EXPECT_TRUE(std::isnan(buffers.target[100]) && std::isnan(test::value(buffers.target_shadow[100])));
    EXPECT_TRUE(std::isinf(buffers.target[101]) && std::isinf(test::value(buffers.target_shadow[101])));
    EXPECT_TRUE(std::isfinite(buffers.parameters[99]) && std::isfinite(buffers.parameters[101]));
  }
}

TEST(AdamW, RefusesRangesAndShadowsThatDoNotFit) {
  std::vector<float> values(8), target(4);
  std::vector<kernels::Bf16> shadow(8), short_shadow(3);
  const auto update = [&](const std::vector<kernels::UpdateRange>& ranges, const kernels::Bf16Shadows& shadows) {
    std::vector<float> first(8), second(8);
    kernels::adamw_ema<float>(values, values, first, second, target, ranges, {}, shadows);
  };
  EXPECT_NO_THROW(update({{0, 4, false, 1, true}, {4, 8}}, {}));
  EXPECT_ANY_THROW(update({{0, 9}}, {})) << "beyond the end";
  EXPECT_ANY_THROW(update({{4, 8}, {0, 4}}, {})) << "descending";
  EXPECT_ANY_THROW(update({{0, 5, false, 1, true}}, {})) << "averaged beyond the target";
  EXPECT_ANY_THROW(update({{0, 4}}, {.parameters = short_shadow, .target = {}}));
  EXPECT_ANY_THROW(update({{0, 4}}, {.parameters = shadow, .target = short_shadow}));
}

// Parameters and both moments are read and written, gradients read, and of averaged ranges the target read and written.
TEST(AdamW, CountsTheBytesItMoves) {
  const std::vector<kernels::UpdateRange> ranges{{0, 10, true, 1, true}, {16, 21}};
  EXPECT_EQ(kernels::adamw_ema_bytes<float>(ranges, false), 10 * 36 + 5 * 28);
  EXPECT_EQ(kernels::adamw_ema_bytes<float>(ranges, true), 10 * (36 + 4) + 5 * (28 + 2));
  EXPECT_EQ(kernels::adamw_ema_bytes<double>(ranges, false), 2 * (10 * 36 + 5 * 28));
}

TEST(RoundToBf16, RoundsToNearestWithTiesToEven) {
  const auto of_bits = [](std::uint32_t bits) { return std::bit_cast<float>(bits); };
  // Value, and its rounded upper half.
  const std::vector<std::pair<float, std::uint16_t>> cases{{0.0F, 0x0000},
                                                           {-0.0F, 0x8000},
                                                           {1.0F, 0x3f80},
                                                           {of_bits(0x3f808000), 0x3f80},
                                                           {of_bits(0x3f818000), 0x3f82},
                                                           {of_bits(0x3f808001), 0x3f81},
                                                           {of_bits(0x3f807fff), 0x3f80},
                                                           {of_bits(0x00000001), 0x0000},
                                                           {of_bits(0x7f7fffff), 0x7f80},
                                                           {of_bits(0xff800000), 0xff80}};
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    // Every case at every place of a vector, and a length that no vector divides.
    std::vector<float> values;
    for (std::size_t i = 0; i < 20001; ++i)
      values.push_back(cases[i % cases.size()].first);
    std::vector<kernels::Bf16> rounded(values.size());
    kernels::round_to_bf16(values, rounded, set);
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(rounded[i].bits, cases[i % cases.size()].second) << i;
    values[7] = of_bits(0x7f800001);  // A signalling one, whose upper half alone is infinity.
    kernels::round_to_bf16(values, rounded, set);
    EXPECT_TRUE(std::isnan(test::value(rounded[7])));
  }
}

}  // namespace
}  // namespace msn
