// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

/// Replays the five recorded steps of torch's AdamW; `tolerance` is relative to the recorded value.
template <class T>
void replay(const std::string& name, double tolerance) {
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
    kernels::adamw_ema<T>(parameters, gradient, exp_avg, exp_avg_sq, target, ranges, facts);
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
  replay<float>("float32_foreach", 1e-6);
  replay<float>("float32_fused", 1e-6);
}

TEST(AdamW, MatchesTorchInFloat64) {
  replay<double>("float64_foreach", 1e-14);
  replay<double>("float64_fused", 1e-14);
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

}  // namespace
}  // namespace msn
