// SPDX-License-Identifier: Apache-2.0
#include "data/decode.hpp"

#include <gtest/gtest.h>

#include "data_support.hpp"

namespace msn {
namespace {

TEST(Decode, RefusesWhatIsNoImageWithAReason) {
  const auto bytes_of = [](const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  test::expect_data_error([] { decode({}); }, {"empty"});
  test::expect_data_error([&] { decode(bytes_of("GIF89a and so on")); }, {"neither a JPEG nor a PNG"});
  test::expect_data_error([&] { probe(bytes_of("\xff\xd8\xff nothing more")); }, {"JPEG"});
  test::expect_data_error([&] { decode(bytes_of("\x89PNG\r\n\x1a\n and no chunk")); }, {"PNG"});
}

TEST(Decode, RefusesEveryTruncation) {
  const std::vector<std::byte> whole = test::small_jpeg(1);
  ASSERT_NO_THROW(decode(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(decode(std::span(whole).first(size)), Error) << size << " of " << whole.size() << " bytes";
  }
}

TEST(Decode, SurvivesEveryDamagedByte) {
  const std::vector<std::byte> whole = test::small_jpeg(2);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::vector<std::byte> damaged = whole;
    damaged[at] ^= std::byte{0x5a};
    try {
      const Image image = decode(damaged);
      EXPECT_EQ(image.rgb.size(), std::size_t{3} * static_cast<std::size_t>(image.width * image.height));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
    }
  }
}

TEST(Decode, ChecksTheClaimedSizeBeforeTakingMemory) {
  std::vector<std::byte> bytes = test::small_jpeg(3);
  // The frame header: FF C0, length, precision, height, width.
  for (std::size_t i = 0; i + 9 < bytes.size(); ++i) {
    if (bytes[i] != std::byte{0xff} || bytes[i + 1] != std::byte{0xc0}) continue;
    for (const std::size_t at : {i + 5, i + 7})
      bytes[at] = std::byte{0xfd};
    break;
  }
  test::expect_data_error([&] { decode(bytes); }, {"claims", "limit"});
}

TEST(Decode, ProbesWithoutDecoding) {
  const std::vector<std::byte> bytes = test::small_jpeg(4, 33, 21);
  const ImageFacts facts = probe(std::span(bytes).first(bytes.size() - 20));
  EXPECT_EQ(facts.format, ImageFormat::jpeg);
  EXPECT_EQ(facts.width, 33);
  EXPECT_EQ(facts.height, 21);
  EXPECT_EQ(facts.components, 3);
  EXPECT_EQ(facts.orientation, 0);
}

}  // namespace
}  // namespace msn
