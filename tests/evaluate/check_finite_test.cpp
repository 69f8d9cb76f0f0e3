// SPDX-License-Identifier: Apache-2.0
#include "evaluate/check_finite.hpp"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/refusal.hpp"

namespace msn {
namespace {

TEST(CheckFinite, NamesTheFirstRowThatIsNot) {
  const at::Tensor features = at::zeros({4, 3}, at::kFloat);
  EXPECT_NO_THROW(check_finite(features, "set"));
  EXPECT_NO_THROW(check_finite(features.narrow(0, 0, 0), "set"));
  features[3][0].fill_(std::numeric_limits<double>::infinity());
  features[2][1].fill_(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(test::refusal([&] { check_finite(features, "set"); }, ExitCode::numerics),
            "the features of image 2 are not finite numbers (set): look at the weights: msn verify the checkpoint, or "
            "take an earlier one");
}

}  // namespace
}  // namespace msn
