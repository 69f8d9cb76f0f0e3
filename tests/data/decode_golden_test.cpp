// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "replay.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(DecodeGolden, GivesPillowsPixelsAndRefusesWhatPillowRefuses) {
  const h5::File file(test::golden("augment.h5"), h5::Mode::read);
  const test::Replay replay = test::replay_decoding(file);
  EXPECT_EQ(replay.cases, 46u);
  EXPECT_EQ(replay.different, 0u) << ::testing::PrintToString(replay.first_few);
}

}  // namespace
}  // namespace msn
