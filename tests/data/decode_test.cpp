// SPDX-License-Identifier: Apache-2.0
#include "data/decode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "data_support.hpp"
#include "golden_images.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using Bytes = std::vector<std::byte>;

int at(const Bytes& jpeg, std::size_t place) {
  return std::to_integer<int>(jpeg.at(place));
}

/// A part of a JPEG between two markers: its code, its place, its length with the marker.
struct Segment {
  int marker;
  std::size_t begin, size;
};

/// The segments before the image data of the first scan, the header of that scan last.
std::vector<Segment> segments_of(const Bytes& jpeg) {
  std::vector<Segment> segments;
  std::size_t place = 2;
  do {
    const auto length = static_cast<std::size_t>(at(jpeg, place + 2) * 256 + at(jpeg, place + 3));
    segments.push_back({at(jpeg, place + 1), place, length + 2});
    place += length + 2;
  } while (segments.back().marker != 0xda);
  return segments;
}

Bytes without(const Bytes& jpeg, int marker) {
  Bytes out(jpeg.begin(), jpeg.begin() + 2);
  std::size_t end = 2;
  for (const Segment& segment : segments_of(jpeg)) {
    const auto begin = jpeg.begin() + static_cast<std::ptrdiff_t>(segment.begin);
    if (segment.marker != marker) out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(segment.size));
    end = segment.begin + segment.size;
  }
  out.insert(out.end(), jpeg.begin() + static_cast<std::ptrdiff_t>(end), jpeg.end());
  return out;
}

/// Changes the size that the frame header claims.
Bytes claiming(Bytes jpeg, int width, int height) {
  for (const Segment& segment : segments_of(jpeg)) {
    if (segment.marker != 0xc0) continue;
    const std::array<int, 4> numbers{height >> 8, height & 255, width >> 8, width & 255};
    for (std::size_t i = 0; i < 4; ++i)
      jpeg[segment.begin + 5 + i] = static_cast<std::byte>(numbers[i]);
  }
  return jpeg;
}

Bytes golden_image(const std::string& name) {
  const h5::File file(test::golden("augment.h5"), h5::Mode::read);
  const auto names = file.read_strings("image/name");
  const auto place = std::find(names.begin(), names.end(), name);
  return test::read_encoded(file).at(static_cast<std::size_t>(place - names.begin()));
}

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
  const Bytes small = test::small_jpeg(3);
  Decoder decoder;
  Image image;
  for (const int side : {30000, 0xfdfd}) {
    test::expect_data_error([&] { decoder.decode(claiming(small, side, side), image); }, {"claims", "limit"});
    EXPECT_EQ(image.rgb.capacity(), 0u);
  }
  test::expect_data_error([&] { decoder.decode(claiming(small, 0, 16), image); }, {"JPEG"});
  EXPECT_THROW(probe(claiming(small, 65535, 65535)), Error);
}

TEST(Decode, GivesUpAfterManyScans) {
  const Bytes whole = golden_image("progressive.jpg");
  // Its last scan again and again: a small file that would keep a reader busy for long.
  std::size_t last = 0;
  for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
    if (at(whole, i) == 0xff && at(whole, i + 1) == 0xda) last = i;
  }
  const auto scan = std::span(whole).subspan(last, whole.size() - 2 - last);
  Bytes bytes(whole.begin(), whole.end() - 2);
  for (int i = 0; i < 600; ++i)
    bytes.insert(bytes.end(), scan.begin(), scan.end());
  bytes.insert(bytes.end(), whole.end() - 2, whole.end());
  test::expect_data_error([&] { decode(bytes); }, {"more than 500 scans"});
}

TEST(Decode, OneAfterTheOtherIsAsEachAlone) {
  const std::vector<Bytes> all{test::small_jpeg(1, 33, 21),     golden_image("truncated_half.jpg"),
                               golden_image("cmyk.jpg"),        {},
                               golden_image("progressive.jpg"), golden_image("gray16.png"),
                               test::small_jpeg(2, 1, 1),       golden_image("stray_marker.jpg"),
                               golden_image("palette.png"),     claiming(test::small_jpeg(3), 30000, 30000),
                               golden_image("one_pixel.jpg"),   golden_image("restart.jpg")};
  Decoder decoder;
  Image image;
  int refused = 0;
  for (std::size_t i = 0; i < 3 * all.size(); ++i) {
    const Bytes& bytes = all[i * 5 % all.size()];
    Image alone;
    try {
      alone = decode(bytes);
    } catch (const Error&) {
      EXPECT_THROW(decoder.decode(bytes, image), Error);
      ++refused;
      continue;
    }
    decoder.decode(bytes, image);
    EXPECT_EQ(image.rgb, alone.rgb);
    EXPECT_EQ(image.width, alone.width);
    EXPECT_EQ(image.height, alone.height);
  }
  EXPECT_EQ(refused, 12);
}

TEST(Decode, TablesOfAnImageDoNotOutliveIt) {
  const Bytes whole = test::small_jpeg(5);
  constexpr int quantisation = 0xdb, huffman = 0xc4;
  Decoder decoder;
  Image image;
  decoder.decode(whole, image);
  test::expect_data_error([&] { decoder.decode(without(whole, quantisation), image); }, {"damaged JPEG"});
  // Without Huffman tables the standard ones hold, those that this image was written with.
  const Image expected = decode(whole);
  decoder.decode(golden_image("progressive.jpg"), image);
  decoder.decode(without(whole, huffman), image);
  EXPECT_EQ(image.rgb, expected.rgb);
}

TEST(Decode, TakesNoNewMemoryForASmallerImage) {
  Decoder decoder;
  Image image;
  decoder.decode(test::small_jpeg(1, 64, 48), image);
  const std::uint8_t* const pixels = image.rgb.data();
  decoder.decode(test::small_jpeg(2, 40, 30), image);
  EXPECT_EQ(image.rgb.data(), pixels);
  EXPECT_EQ(image.rgb.size(), 3u * 40 * 30);
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
