// SPDX-License-Identifier: Apache-2.0
// Every operation against what Pillow and torchvision made, byte for byte, with every form of the kernels that this
// processor can run.
#include <gtest/gtest.h>

#include "replay.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class ViewsGolden : public ::testing::TestWithParam<const PixelKernels*> {};

TEST_P(ViewsGolden, NotOneByteDiffers) {
  const h5::File file(test::golden("augment.h5"), h5::Mode::read);
  std::size_t cases = 0;
  for (const test::Replay& replay : test::replay_operations(file, *GetParam())) {
    EXPECT_EQ(replay.different, 0u) << replay.operation << ": " << ::testing::PrintToString(replay.first_few);
    cases += replay.cases;
  }
  // 10 flips, 246 crops and 18 evaluation views in both orders, 10 + 120 + 120 + 120 + 220 + 170 others, 24 chains and
  // their 5 stages in both orders, 2 normalised views.
  EXPECT_EQ(cases, 10u + 2 * (246 + 18) + 760 + 2 * (24 + 120) + 2);
}

INSTANTIATE_TEST_SUITE_P(Kernels, ViewsGolden, ::testing::ValuesIn(test::all_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace msn
