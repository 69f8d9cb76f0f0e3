// SPDX-License-Identifier: Apache-2.0
#include "report/pictures.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace msn {
namespace {

Image noise(int width, int height, unsigned seed) {
  std::minstd_rand random(seed);
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  for (std::uint8_t& level : image.rgb)
    level = static_cast<std::uint8_t>(random() >> 8);
  return image;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++found;
  return found;
}

TEST(PicturesHtml, HoldsEveryTileInOrderWithItsText) {
  RunPictures pictures;
  pictures.notes = {"A <note>."};
  pictures.sections = {{"Title & more",
                        "Says.",
                        {{"Row 1", {{noise(24, 16, 1), "one", "first"}, {noise(8, 8, 2), "two", "second"}}, {}},
                         {"Row 2", {{noise(8, 8, 3), "<b>", "\"><script>"}}, {"a line", "<i>"}}}}};
  const std::string html = pictures_html(pictures, 1'000'000);
  EXPECT_EQ(count(html, "<img "), 3U);
  EXPECT_EQ(count(html, "src=\"data:image/jpeg;base64,/9j/"), 3U) << "JPEG files begin so";
  EXPECT_NE(html.find("<img width=\"24\" height=\"16\" alt=\"first\""), std::string::npos);
  EXPECT_LT(html.find(">one<"), html.find(">two<"));
  EXPECT_LT(html.find("Row 1"), html.find(">one<"));
  EXPECT_LT(html.find(">two<"), html.find("Row 2"));
  EXPECT_NE(html.find("<p>A &lt;note&gt;.</p>"), std::string::npos);
  EXPECT_NE(html.find("Title &amp; more"), std::string::npos);
  EXPECT_NE(html.find("alt=\"&quot;&gt;&lt;script&gt;\""), std::string::npos);
  EXPECT_EQ(count(html, "<details>"), 1U);
  EXPECT_NE(html.find("<li>a line</li><li>&lt;i&gt;</li>"), std::string::npos);
  for (const char* markup : {"<b>", "<i>", "<script"})
    EXPECT_EQ(html.find(markup), std::string::npos) << markup;
}

/// As many tiles as a run's pictures have at most, of what JPEG cannot compress.
TEST(PicturesHtml, KeepsToItsBytesByQuality) {
  RunPictures pictures;
  PictureRow views{"views", {}, {}}, neighbours{"prototypes", {}, {}}, looks{"looks", {}, {}};
  for (unsigned i = 0; i < 4 * 13; ++i)
    views.tiles.push_back({noise(224, 224, i), "", ""});
  for (unsigned i = 0; i < 64; ++i)
    neighbours.tiles.push_back({noise(96, 96, i), "", ""});
  for (unsigned i = 0; i < 54; ++i)
    looks.tiles.push_back({noise(144, 144, i), "", ""});
  pictures.sections = {{"", "", {views, neighbours, looks}}};
  const std::string best = pictures_html(pictures, std::size_t{1} << 30);
  EXPECT_GT(best.size(), 3'600'000U);
  EXPECT_LT(pictures_html(pictures, 1'200'000).size(), 1'300'000U) << "one of three runs";
}

TEST(PicturesHtml, OfNothingIsItsNotesAlone) {
  RunPictures pictures;
  EXPECT_EQ(pictures_html(pictures, 1000), "");
  pictures.notes = {"Nothing."};
  EXPECT_EQ(pictures_html(pictures, 1000), "<p>Nothing.</p>\n");
}

}  // namespace
}  // namespace msn
