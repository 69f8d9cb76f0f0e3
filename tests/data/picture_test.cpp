// SPDX-License-Identifier: Apache-2.0
// Text, contact sheets and PNG files.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "data/contact_sheet.hpp"
#include "data/decode.hpp"
#include "data/draw_text.hpp"
#include "data/encode_png.hpp"

namespace msn {
namespace {

constexpr Colour black{0, 0, 0};

Image blank(int width, int height, std::uint8_t level = 255) {
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height), level)};
}

/// A picture of which no two pixels are equal.
Image varied(int width, int height) {
  Image image = blank(width, height);
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  return image;
}

std::uint8_t red(const Image& image, int x, int y) {
  return image.rgb[static_cast<std::size_t>(3 * (y * image.width + x))];
}

/// The picture in letters: '#' for black, '.' for white.
std::string art(const Image& image) {
  std::string text;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x)
      text += red(image, x, y) == 0 ? '#' : '.';
    text += '\n';
  }
  return text;
}

std::string art_of_text(const std::string& text) {
  Image image = blank(static_cast<int>(text.size()) * text_advance, text_line);
  draw_text(image, 0, 0, text, black);
  return art(image);
}

TEST(EncodePng, DecodesToTheSamePixels) {
  for (const auto& [width, height] : {std::pair{1, 1}, {3, 200}, {251, 33}}) {
    const Image image = varied(width, height);
    const std::vector<std::byte> png = encode_png(image);
    EXPECT_EQ(image_format(png), ImageFormat::png);
    const Image back = decode(png);
    EXPECT_EQ(back.width, width);
    EXPECT_EQ(back.height, height);
    EXPECT_EQ(back.rgb, image.rgb);
  }
}

TEST(EncodePng, RefusesAnImageWithoutItsPixels) {
  EXPECT_THROW(encode_png({4, 4, std::vector<std::uint8_t>(3)}), Error);
  EXPECT_THROW(encode_png({}), Error);
}

TEST(DrawText, DrawsLetters) {
  EXPECT_EQ(art_of_text("Tq"),
            "#####.......\n"
            "..#.........\n"
            "..#....####.\n"
            "..#...#...#.\n"
            "..#....####.\n"
            "..#.......#.\n"
            "..#.......#.\n"
            "............\n"
            "............\n"
            "............\n");
}

TEST(DrawText, EveryCharacterDiffersFromEveryOther) {
  std::set<std::string> seen;
  for (char c = ' '; c <= '~'; ++c)
    seen.insert(art_of_text(std::string(1, c)));
  EXPECT_EQ(seen.size(), 95u);
  EXPECT_EQ(art_of_text("\n"), art_of_text("?"));
}

TEST(DrawText, StaysInsideTheImage) {
  const std::string whole = art_of_text("W");
  for (const int shift : {-3, 3}) {
    Image image = blank(5, 7);
    draw_text(image, shift, shift, "W", black);
    for (int y = 0; y < 7; ++y) {
      for (int x = 0; x < 5; ++x) {
        const bool inside = x >= shift && x < 5 + shift && y >= shift && y < 7 + shift;
        const char expected = inside ? whole[static_cast<std::size_t>((y - shift) * 7 + x - shift)] : '.';
        EXPECT_EQ(red(image, x, y) == 0 ? '#' : '.', expected) << x << "," << y;
      }
    }
  }
}

TEST(DrawText, OtherCharactersBecomeQuestionMarks) {
  EXPECT_EQ(printable("caf\xc3\xa9 \xf0\x9f\x90\x88!\t"), "caf? ?!?");
}

TEST(WrapText, CutsAtSpaces) {
  EXPECT_EQ(wrap_text("one two  three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap_text("one two", 6), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(wrap_text("abcdefgh i", 3), (std::vector<std::string>{"abc", "def", "gh", "i"}));
  EXPECT_EQ(wrap_text("", 3), (std::vector<std::string>{""}));
  EXPECT_EQ(wrap_text(" abcdef", 3), (std::vector<std::string>{" ab", "cde", "f"}));
}

TEST(ContactSheet, EnlargesByWholeFactors) {
  const Image image = varied(3, 2);
  const Image large = enlarge(image, 4);
  ASSERT_EQ(large.width, 12);
  ASSERT_EQ(large.height, 8);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 12; ++x)
      EXPECT_EQ(red(large, x, y), red(image, x / 4, y / 4));
  }
}

TEST(ContactSheet, FitsPicturesOfAnyShape) {
  const auto size = [](const Image& image) { return std::pair(image.width, image.height); };
  EXPECT_EQ(size(fit_into(blank(400, 200), 100)), std::pair(100, 50));
  EXPECT_EQ(size(fit_into(blank(30, 10), 100)), std::pair(90, 30));
  EXPECT_EQ(size(fit_into(blank(1000, 2), 100)), std::pair(100, 1));
  EXPECT_EQ(fit_into(varied(100, 60), 100).rgb, varied(100, 60).rgb);
}

TEST(ContactSheet, VeilsWhatNoPatchCovers) {
  const Image before = blank(10, 10, 200);
  Image view = before;
  dim_outside_patches(view, 4, std::vector<std::int64_t>{0, 3});
  for (int y = 0; y < 10; ++y) {
    for (int x = 0; x < 10; ++x) {
      const bool seen = (x < 4 && y < 4) || (x >= 4 && x < 8 && y >= 4 && y < 8);
      EXPECT_EQ(red(view, x, y), seen ? 200 : 120) << x << "," << y;
    }
  }
}

TEST(ContactSheet, HoldsEveryTileWhole) {
  SheetRow row;
  for (int i = 0; i < 12; ++i)
    row.tiles.push_back({"tile " + std::to_string(i), blank(224, 150 + i, static_cast<std::uint8_t>(10 + i))});
  row.lines = {"first line", std::string(2000, 'x')};
  const Image sheet = draw_contact_sheet({row, row});
  EXPECT_LE(sheet.width, 1900);
  std::vector<int> pixels(256);
  for (std::size_t i = 0; i < sheet.rgb.size(); i += 3)
    ++pixels[sheet.rgb[i]];
  for (int i = 0; i < 12; ++i)
    EXPECT_EQ(pixels[static_cast<std::size_t>(10 + i)], 2 * 224 * (150 + i)) << i;
  // 2000 x 'x' in two rows: no character is lost at the cuts.
  const std::string one = art_of_text("x");
  EXPECT_GE(pixels[0], 2 * 2000 * std::count(one.begin(), one.end(), '#'));
}

TEST(ContactSheet, IsWideEnoughForOneLargeTile) {
  EXPECT_GE(draw_contact_sheet({{{{"view", blank(3000, 2)}}, {}}}).width, 3000);
}

TEST(ContactSheet, RefusesWhatNoMemoryShouldBeTakenFor) {
  const SheetRow row{{{"a", blank(100, 100)}}, std::vector<std::string>(50000, "line")};
  try {
    draw_contact_sheet({row});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_NE(std::string(error.what()).find("fewer images"), std::string::npos);
  }
}

}  // namespace
}  // namespace msn
