// SPDX-License-Identifier: Apache-2.0
#include "train/monitors.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "train/smooth_rank.hpp"

namespace msn {
namespace {

at::Tensor noise(std::int64_t rows, std::int64_t width) {
  const at::Tensor x = at::empty({rows, width}, at::kFloat);
  RandomStream random(1, "embeddings", Purpose::init);
  for (std::int64_t i = 0; i < x.numel(); ++i)
    x.mutable_data_ptr<float>()[i] = static_cast<float>(random.normal());
  return x;
}

double rank_of(const at::Tensor& x) {
  const at::Tensor rows = x.contiguous();
  return smooth_rank({rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel())},
                     static_cast<std::size_t>(rows.size(1)));
}

double rank_by_svd(const at::Tensor& x) {
  const at::Tensor p = [&] {
    const at::Tensor values = at::linalg_svdvals(x.to(at::kDouble));
    return values / values.sum();
  }();
  return std::exp(-(p * p.log()).sum().item<double>());
}

TEST(SmoothRank, CountsDirections) {
  const at::Tensor axes = at::zeros({4, 6}, at::kFloat);
  for (std::int64_t i = 0; i < 4; ++i)
    axes[i][i].fill_(3);
  EXPECT_NEAR(rank_of(axes), 4, 1e-12);
  EXPECT_NEAR(rank_of(axes.t()), 4, 1e-12);
  axes[3].fill_(0);
  EXPECT_NEAR(rank_of(axes), 3, 1e-12);
  EXPECT_NEAR(rank_of(at::ones({50, 6}, at::kFloat)), 1, 1e-6);
  // Singular values 3 and 1: shares of 3/4 and 1/4.
  const std::vector<float> two{3, 0, 0, 1};
  EXPECT_NEAR(smooth_rank(two, 2), std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)), 1e-12);
}

TEST(SmoothRank, IsThatOfTheSingularValues) {
  const at::Tensor x = noise(100, 24);
  for (const at::Tensor& embeddings : {x, x.narrow(0, 0, 10), x + 5, x * x.select(0, 0)})
    EXPECT_NEAR(rank_of(embeddings), rank_by_svd(embeddings), 1e-6 * 24);
}

TEST(SmoothRank, IsUnknownOfNothing) {
  EXPECT_TRUE(std::isnan(rank_of(at::zeros({5, 3}, at::kFloat))));
  const at::Tensor x = noise(5, 3);
  x[2][1].fill_(std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(rank_of(x)));
}

std::optional<double> waited_for(FeatureRank& rank) {
  for (int i = 0; i < 2000; ++i) {
    if (const auto measured = rank.take()) return measured;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return std::nullopt;
}

/// Lets the thread come up, which it does beside the first steps of a run.
constexpr std::chrono::milliseconds kComesUp{200};

TEST(FeatureRank, MeasuresTheNewestRowsNowAndThen) {
  const at::Tensor x = noise(40, 8);
  FeatureRank rank(8);
  std::this_thread::sleep_for(kComesUp);
  rank.add(FeatureRank::kEvery, x.narrow(0, 0, 31));  // 32 rows are kept.
  EXPECT_EQ(rank.take(), std::nullopt);
  rank.add(FeatureRank::kEvery + 1, x.narrow(0, 31, 1));
  EXPECT_EQ(rank.take(), std::nullopt);
  rank.add(2 * FeatureRank::kEvery, x.narrow(0, 32, 8).to(at::kDouble));
  const auto measured = waited_for(rank);
  ASSERT_TRUE(measured.has_value());
  EXPECT_NEAR(*measured, rank_by_svd(x.narrow(0, 8, 32)), 1e-6);
  EXPECT_EQ(rank.take(), std::nullopt);
}

TEST(FeatureRank, TakesTheFirstRowsOfALargeBatch) {
  FeatureRank rank(4);
  std::this_thread::sleep_for(kComesUp);
  const at::Tensor x = noise(2 * FeatureRank::kRowsOfAStep, 4);
  rank.add(FeatureRank::kEvery, x);  // 16 rows are kept: the last of the first 64.
  const auto measured = waited_for(rank);
  ASSERT_TRUE(measured.has_value());
  EXPECT_NEAR(*measured, rank_by_svd(x.narrow(0, FeatureRank::kRowsOfAStep - 16, 16)), 1e-6);
}

/// Steps of a run, all of the same numbers, with monitors.
std::vector<StepMetrics> watched(const at::Tensor& embeddings, const LossParts& parts, std::uint64_t steps) {
  Config config;
  config.model.head_out = static_cast<int>(embeddings.size(1));
  config.model.prototypes = 64;
  Monitors monitors(config);
  std::vector<StepMetrics> all;
  for (std::uint64_t step = 1; step <= steps; ++step) {
    StepMetrics metrics;
    metrics.step = step;
    metrics.loss = parts;
    monitors.add(embeddings, metrics);
    all.push_back(metrics);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return all;
}

TEST(Monitors, AddTheRankAndWhatSaysCollapse) {
  LossParts parts;
  parts.prototypes_used = 1;
  parts.max_target = 1;
  parts.mean_entropy = std::log(40);
  const auto all = watched(at::ones({8, 16}, at::kFloat), parts, 100);
  int ranks = 0;
  for (const StepMetrics& metrics : all) {
    if (metrics.feature_rank) {
      ++ranks;
      EXPECT_NEAR(*metrics.feature_rank, 1, 1e-6);
    }
    if (metrics.step % CollapseWatch::kSteps != 0) {
      EXPECT_TRUE(metrics.collapse.empty()) << metrics.step;
    }
  }
  EXPECT_GE(ranks, 1);
  EXPECT_EQ(all[49].collapse, (std::vector<std::string>{"prototypes_used"}));
  EXPECT_EQ(all[99].collapse, (std::vector<std::string>{"prototypes_used", "feature_rank"}));
}

TEST(Monitors, TakeNothingFromASkippedStep) {
  Monitors monitors(Config{});
  for (std::uint64_t step = 1; step <= 2 * CollapseWatch::kSteps; ++step) {
    StepMetrics metrics;
    metrics.step = step;
    metrics.skipped = true;
    metrics.loss.prototypes_used = 0;
    monitors.add(at::Tensor(), metrics);
    EXPECT_TRUE(metrics.collapse.empty());
  }
}

}  // namespace
}  // namespace msn
