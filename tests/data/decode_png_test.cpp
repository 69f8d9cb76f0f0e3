// SPDX-License-Identifier: Apache-2.0
// The forms of PNG: every one as Pillow's open().convert("RGB") gives it.
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/decode.hpp"
#include "data_support.hpp"

namespace msn {
namespace {

using Bytes = std::vector<std::uint8_t>;

void put_number(Bytes& into, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0})
    into.push_back(static_cast<std::uint8_t>(value >> shift));
}

void put_chunk(Bytes& into, std::string_view type, const Bytes& data) {
  put_number(into, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = into.size();
  into.insert(into.end(), type.begin(), type.end());
  into.insert(into.end(), data.begin(), data.end());
  put_number(into, static_cast<std::uint32_t>(crc32(0, into.data() + begin, static_cast<uInt>(into.size() - begin))));
}

enum Colour { gray = 0, rgb = 2, palette = 3, gray_alpha = 4, rgb_alpha = 6 };

struct Header {
  std::uint32_t width, height;
  int depth;
  Colour colour;
  bool interlaced = false;
};

/// `lines` are the scan lines as they are compressed, each with its filter byte. `extra` stands before the data.
std::vector<std::byte> png(const Header& header, const Bytes& lines, const Bytes& extra = {}) {
  Bytes out{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  Bytes head;
  put_number(head, header.width);
  put_number(head, header.height);
  for (const int value : {header.depth, static_cast<int>(header.colour), 0, 0, header.interlaced ? 1 : 0})
    head.push_back(static_cast<std::uint8_t>(value));
  put_chunk(out, "IHDR", head);
  out.insert(out.end(), extra.begin(), extra.end());
  uLongf size = compressBound(static_cast<uLong>(lines.size()));
  Bytes data(size);
  EXPECT_EQ(compress(data.data(), &size, lines.data(), static_cast<uLong>(lines.size())), Z_OK);
  data.resize(size);
  put_chunk(out, "IDAT", data);
  put_chunk(out, "IEND", {});
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

TEST(DecodePng, OnePixel) {
  const Image image = decode(png({1, 1, 8, rgb}, {0, 1, 2, 3}));
  EXPECT_EQ(image.rgb, (Bytes{1, 2, 3}));
  EXPECT_EQ(image.width, 1);
  EXPECT_EQ(image.height, 1);
}

TEST(DecodePng, GrayOfAnyDepthFillsTheWholeRange) {
  EXPECT_EQ(decode(png({3, 1, 1, gray}, {0, 0b01000000})).rgb, (Bytes{0, 0, 0, 255, 255, 255, 0, 0, 0}));
  EXPECT_EQ(decode(png({3, 1, 2, gray}, {0, 0b00011000})).rgb, (Bytes{0, 0, 0, 85, 85, 85, 170, 170, 170}));
  EXPECT_EQ(decode(png({2, 1, 4, gray}, {0, 0x1f})).rgb, (Bytes{17, 17, 17, 255, 255, 255}));
  EXPECT_EQ(decode(png({2, 1, 8, gray}, {0, 9, 8})).rgb, (Bytes{9, 9, 9, 8, 8, 8}));
}

TEST(DecodePng, SixteenBitGrayIsClippedAndColourKeepsItsHighByte) {
  EXPECT_EQ(decode(png({3, 1, 16, gray}, {0, 0, 77, 1, 0, 255, 255})).rgb,
            (Bytes{77, 77, 77, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(decode(png({1, 1, 16, rgb}, {0, 10, 255, 20, 0, 30, 128})).rgb, (Bytes{10, 20, 30}));
  EXPECT_EQ(decode(png({1, 1, 16, rgb_alpha}, {0, 10, 255, 20, 0, 30, 128, 0, 0})).rgb, (Bytes{10, 20, 30}));
}

TEST(DecodePng, AlphaIsDropped) {
  EXPECT_EQ(decode(png({2, 1, 8, gray_alpha}, {0, 5, 0, 6, 255})).rgb, (Bytes{5, 5, 5, 6, 6, 6}));
  EXPECT_EQ(decode(png({2, 1, 16, gray_alpha}, {0, 5, 200, 0, 0, 0, 9, 1, 1})).rgb, (Bytes{5, 5, 5, 0, 0, 0}));
  EXPECT_EQ(decode(png({1, 1, 8, rgb_alpha}, {0, 1, 2, 3, 0})).rgb, (Bytes{1, 2, 3}));
  Bytes extra;
  put_chunk(extra, "tRNS", {0, 9});
  EXPECT_EQ(decode(png({2, 1, 8, gray}, {0, 9, 8}, extra)).rgb, (Bytes{9, 9, 9, 8, 8, 8}));
  EXPECT_EQ(decode(png({2, 1, 16, gray}, {0, 0, 9, 1, 8}, extra)).rgb, (Bytes{9, 9, 9, 255, 255, 255}));
}

TEST(DecodePng, PalettesAreExpandedAndTheirTransparencyDropped) {
  Bytes extra;
  put_chunk(extra, "PLTE", {1, 2, 3, 40, 50, 60});
  put_chunk(extra, "tRNS", {0, 128});
  EXPECT_EQ(decode(png({3, 1, 8, palette}, {0, 0, 1, 0}, extra)).rgb, (Bytes{1, 2, 3, 40, 50, 60, 1, 2, 3}));
  EXPECT_EQ(decode(png({3, 1, 1, palette}, {0, 0b01000000}, extra)).rgb, (Bytes{1, 2, 3, 40, 50, 60, 1, 2, 3}));
  // An index behind the end of the palette is black.
  EXPECT_EQ(decode(png({2, 1, 8, palette}, {0, 0, 9}, extra)).rgb, (Bytes{1, 2, 3, 0, 0, 0}));
  EXPECT_EQ(probe(png({3, 1, 8, palette}, {0, 0, 1, 0}, extra)).components, 1);
}

TEST(DecodePng, InterlacedGivesTheSamePixels) {
  struct Pass {
    std::uint32_t x, y, dx, dy;
  };
  constexpr std::array<Pass, 7> passes{
      {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};
  constexpr std::uint32_t width = 11, height = 9;
  for (const int bytes_a_pixel : {3, 2}) {  // RGB of 8 bits, grey of 16: the one goes straight to its place.
    const auto put_pixel = [&](Bytes& lines, std::uint32_t x, std::uint32_t y) {
      for (int c = 0; c < bytes_a_pixel; ++c)
        lines.push_back(static_cast<std::uint8_t>(bytes_a_pixel == 2 && c == 0 ? 0 : 20 * x + 3 * y + 60 * c));
    };
    Bytes plain, interlaced;
    for (std::uint32_t y = 0; y < height; ++y) {
      plain.push_back(0);
      for (std::uint32_t x = 0; x < width; ++x)
        put_pixel(plain, x, y);
    }
    for (const Pass& pass : passes) {
      for (std::uint32_t y = pass.y; y < height && pass.x < width; y += pass.dy) {
        interlaced.push_back(0);
        for (std::uint32_t x = pass.x; x < width; x += pass.dx)
          put_pixel(interlaced, x, y);
      }
    }
    const int depth = bytes_a_pixel == 3 ? 8 : 16;
    const Colour colour = bytes_a_pixel == 3 ? rgb : gray;
    EXPECT_EQ(decode(png({width, height, depth, colour, true}, interlaced)).rgb,
              decode(png({width, height, depth, colour}, plain)).rgb);
  }
}

TEST(DecodePng, ClaimsThatCannotBeTrueAreRefusedBeforeTakingMemory) {
  Decoder decoder;
  Image image;
  test::expect_data_error(
      [&] {
        decoder.decode(png({30000, 30000, 8, rgb}, {0, 1, 2, 3}), image);
      },
      {"claims", "limit"});
  test::expect_data_error([&] { decoder.decode(png({100000, 1, 8, rgb}, {0, 1, 2, 3}), image); }, {"PNG"});
  test::expect_data_error([&] { decoder.decode(png({0, 1, 8, rgb}, {0}), image); }, {"PNG"});
  // Within the limits, but no so few bytes can hold it.
  test::expect_data_error(
      [&] {
        decoder.decode(png({16384, 16384, 8, rgb}, {0, 1, 2, 3}), image);
      },
      {"claims", "cannot hold"});
  EXPECT_EQ(image.rgb.capacity(), 0u);
  // A picture of one colour compresses nearly as far as can be.
  EXPECT_NO_THROW(decoder.decode(png({4000, 1000, 8, rgb}, Bytes(1000 * (1 + 3 * 4000))), image));
}

TEST(DecodePng, SurvivesEveryDamagedByte) {
  Bytes lines;
  for (int i = 0; i < 6 * (1 + 3 * 5); ++i)
    lines.push_back(static_cast<std::uint8_t>(i % 16 == 0 ? i % 5 : 7 * i));
  const std::vector<std::byte> whole = png({5, 6, 8, rgb}, lines);
  ASSERT_NO_THROW(decode(whole));
  Decoder decoder;
  Image image;
  int accepted = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::vector<std::byte> damaged = whole;
    damaged[at] ^= std::byte{0x11};
    try {
      decoder.decode(damaged, image);
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
    }
    EXPECT_THROW(decoder.decode(std::span(whole).first(at), image), Error) << at << " of " << whole.size();
  }
  EXPECT_EQ(accepted, 0) << "checksums protect every byte";
}

}  // namespace
}  // namespace msn
