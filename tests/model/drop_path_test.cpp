// SPDX-License-Identifier: Apache-2.0
#include "model/drop_path.hpp"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace msn {
namespace {

std::vector<std::uint64_t> first_samples(std::size_t count) {
  std::vector<std::uint64_t> samples(count);
  std::iota(samples.begin(), samples.end(), 0);
  return samples;
}

TEST(DropPath, GrowsLinearlyOverTheBlocksAndKeepsTheMean) {
  constexpr std::int64_t depth = 5;
  const auto samples = first_samples(20000);
  const at::Tensor factors = drop_path_factors(1, 2, samples, 1, 1, depth, 0.4);
  ASSERT_EQ(factors.sizes(), (std::vector<std::int64_t>{depth, 2, 20000}));
  EXPECT_TRUE((factors[0] == 1).all().item<bool>());
  for (std::int64_t block = 0; block < depth; ++block) {
    const double rate = 0.1 * static_cast<double>(block);
    for (std::int64_t branch = 0; branch < 2; ++branch) {
      const at::Tensor row = factors[block][branch];
      const at::Tensor dropped = row == 0;
      // Four standard deviations of 20,000 draws at a rate of 0.4 are 0.014.
      EXPECT_NEAR(dropped.to(at::kDouble).mean().item<double>(), rate, 0.014);
      EXPECT_TRUE(((row - 1 / (1 - rate)).abs() < 1e-15).logical_or(dropped).all().item<bool>());
    }
  }
  EXPECT_FALSE(factors[4][0].equal(factors[4][1])) << "the two branches are drawn apart";
}

TEST(DropPath, OfAnImageDependsOnItsKeyAlone) {
  const auto samples = first_samples(64);
  const at::Tensor all = drop_path_factors(1, 2, samples, 1, 2, 3, 0.5);
  const std::vector<std::uint64_t> some{40, 7};
  const at::Tensor part = drop_path_factors(1, 2, some, 2, 1, 3, 0.5);
  EXPECT_TRUE(part.select(2, 0).equal(all.select(2, 64 + 40)));
  EXPECT_TRUE(part.select(2, 1).equal(all.select(2, 64 + 7)));
  EXPECT_FALSE(all.equal(drop_path_factors(1, 3, samples, 1, 2, 3, 0.5))) << "another epoch";
}

TEST(DropPath, IsUndefinedWhereItIsOff) {
  EXPECT_FALSE(drop_path_factors(1, 2, first_samples(4), 1, 1, 3, 0).defined());
  EXPECT_TRUE((drop_path_factors(1, 2, first_samples(4), 1, 1, 1, 0.5) == 1).all().item<bool>())
      << "the only block is the first";
}

}  // namespace
}  // namespace msn
