// SPDX-License-Identifier: Apache-2.0
#include "train/collapse.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace msn {
namespace {

Config config_of(int prototypes, int batch, int width) {
  Config config;
  config.model.prototypes = prototypes;
  config.train.global_batch = batch;
  config.model.head_out = width;
  return config;
}

/// Of a run that learns, with 1024 prototypes and 1024 images a step.
constexpr CollapseNumbers kWell{600, 6.8, 0.4, 80};

std::vector<std::string> names(const CollapseNumbers& numbers, const CollapseLimits& limits) {
  std::vector<std::string> names;
  for (const CollapseSign& sign : collapse_signs(numbers, limits))
    names.push_back(sign.name);
  return names;
}

TEST(CollapseLimits, AreSharesOfWhatThereCouldBe) {
  const CollapseLimits large = CollapseLimits::of(config_of(1024, 1024, 256));
  EXPECT_NEAR(large.prototypes_used, 51.2, 1e-9);
  EXPECT_NEAR(std::exp(large.mean_entropy), 51.2, 1e-9);
  EXPECT_NEAR(large.max_target, 1.5 / 1024, 1e-12);
  EXPECT_NEAR(large.feature_rank, 5.12, 1e-9);
  // Two images of a batch cannot choose more than two; of a handful of prototypes one cannot tell a few.
  EXPECT_NEAR(CollapseLimits::of(config_of(1024, 64, 256)).prototypes_used, 3.2, 1e-9);
  EXPECT_EQ(CollapseLimits::of(config_of(1024, 2, 256)).prototypes_used, 0);
  const CollapseLimits small = CollapseLimits::of(config_of(2, 64, 2));
  EXPECT_EQ(small.prototypes_used, 0);
  EXPECT_EQ(small.mean_entropy, 0);
  EXPECT_EQ(small.max_target, 0);
  EXPECT_EQ(small.feature_rank, 0);
}

TEST(CollapseLimits, FollowThePrior) {
  Config config = config_of(1024, 1024, 256);
  config.loss.prior = "power_law";
  config.loss.prior_exponent = 2;  // Most weight lies on a handful of prototypes.
  const CollapseLimits limits = CollapseLimits::of(config);
  EXPECT_NEAR(std::exp(limits.mean_entropy), 1.5, 1e-9);
  EXPECT_NEAR(limits.prototypes_used, 1.5, 1e-9);
}

TEST(CollapseSigns, AreTheNumbersBelowTheirLimits) {
  const CollapseLimits limits = CollapseLimits::of(config_of(1024, 1024, 256));
  EXPECT_TRUE(names(kWell, limits).empty());
  CollapseNumbers one = kWell;
  one.prototypes_used = 2;
  EXPECT_EQ(names(one, limits), std::vector<std::string>{"prototypes_used"});
  EXPECT_EQ(to_text(collapse_signs(one, limits)), "targets choose 2.0 of 1024 prototypes in a step");
  one = kWell;
  one.mean_entropy = std::log(3);
  EXPECT_EQ(to_text(collapse_signs(one, limits)), "the mean prediction is spread over 3.0 of 1024 prototypes");
  one = kWell;
  one.max_target = 0.00098;
  EXPECT_EQ(to_text(collapse_signs(one, limits)),
            "targets are all but even over the 1024 prototypes, the largest 0.00098");
  one = kWell;
  one.feature_rank = 1.25;
  EXPECT_EQ(to_text(collapse_signs(one, limits)), "embeddings have a rank of 1.2 of 256");
  one.feature_rank = std::nullopt;
  EXPECT_TRUE(names(one, limits).empty());
  one.feature_rank = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(names(one, limits).empty());
  EXPECT_EQ(names({1, 0, 0.0001, 1}, limits).size(), 4u);
}

TEST(CollapseWatch, SaysItOnceAStretchAndWhenItIsOver) {
  CollapseWatch watch(CollapseLimits::of(config_of(1024, 1024, 256)));
  const auto stretch = [&](const CollapseNumbers& numbers) {
    for (int i = 1; i < CollapseWatch::kSteps; ++i)
      EXPECT_FALSE(watch.add(numbers).has_value());
    return watch.add(numbers).value();
  };
  CollapseNumbers bad = kWell;
  bad.prototypes_used = 1;
  EXPECT_FALSE(stretch(kWell).is_new);
  auto verdict = stretch(bad);
  EXPECT_TRUE(verdict.is_new && verdict.signs.size() == 1);
  verdict = stretch(bad);
  EXPECT_FALSE(verdict.is_new || verdict.is_over);
  EXPECT_EQ(verdict.signs.size(), 1u);
  verdict = stretch(kWell);
  EXPECT_TRUE(verdict.is_over && verdict.signs.empty());
  verdict = stretch(kWell);
  EXPECT_FALSE(verdict.is_over || verdict.is_new);
  EXPECT_TRUE(stretch(bad).is_new);
}

// A single step that looks bad is no collapse.
TEST(CollapseWatch, JudgesMeans) {
  CollapseWatch watch(CollapseLimits::of(config_of(1024, 1024, 256)));
  for (int i = 1; i <= CollapseWatch::kSteps; ++i) {
    CollapseNumbers numbers = kWell;
    if (i % 2 == 0) numbers.prototypes_used = 1;
    const auto verdict = watch.add(numbers);
    EXPECT_EQ(verdict.has_value(), i == CollapseWatch::kSteps);
    if (verdict) {
      EXPECT_TRUE(verdict->signs.empty());
    }
  }
}

}  // namespace
}  // namespace msn
