// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/decode.hpp"
#include "golden_images.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(DecodeGolden, GivesPillowsPixelsAndRefusesWhatPillowRefuses) {
  const h5::File file(test::golden("augment.h5"), h5::Mode::read);
  const auto encoded = test::read_encoded(file);
  const auto name = file.read_strings("image/name");
  const auto ok = file.read<std::uint8_t>("image/ok");
  const auto width = file.read<std::int32_t>("image/width");
  const auto height = file.read<std::int32_t>("image/height");
  const auto orientation = file.read<std::int32_t>("image/orientation");
  const auto expected = test::read_digests(file, "image/pixel_sha256");
  ASSERT_EQ(encoded.size(), 46u);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    SCOPED_TRACE(name[i]);
    if (ok[i] == 0) {
      try {
        decode(encoded[i]);
        ADD_FAILURE() << "decoded";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::data);
        EXPECT_FALSE(error.problem().empty());
      }
      continue;
    }
    const Image image = decode(encoded[i]);
    EXPECT_EQ(image.width, width[i]);
    EXPECT_EQ(image.height, height[i]);
    EXPECT_EQ(test::digest(image), expected[i]);
    const ImageFacts facts = probe(encoded[i]);
    EXPECT_EQ(facts.width, width[i]);
    EXPECT_EQ(facts.height, height[i]);
    EXPECT_EQ(facts.orientation, orientation[i]);
  }
}

}  // namespace
}  // namespace msn
