// SPDX-License-Identifier: Apache-2.0
#include "data/transcode.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "data/decode.hpp"
#include "data/encode.hpp"

namespace msn {
namespace {

/// A soft colour gradient, which JPEG keeps well.
Image gradient(int width, int height, bool gray = false) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto red = static_cast<std::uint8_t>(40 + 160 * x / width);
      const auto green = static_cast<std::uint8_t>(40 + 160 * y / height);
      image.rgb.insert(image.rgb.end(), {red, gray ? red : green, gray ? red : std::uint8_t{90}});
    }
  }
  return image;
}

Image encoded(const Image& image, Transcode how) {
  const auto bytes = transcode(image, how);
  EXPECT_TRUE(bytes.has_value());
  return decode(bytes.value());
}

TEST(Transcode, ScalesTheLongSideDown) {
  const auto size = [](int width, int height, int side) {
    const Image image = encoded(gradient(width, height), {side, 90});
    return std::pair(image.width, image.height);
  };
  EXPECT_EQ(size(400, 300, 200), std::pair(200, 150));
  EXPECT_EQ(size(300, 400, 200), std::pair(150, 200));
  EXPECT_EQ(size(500, 333, 256), std::pair(256, 170));  // 170.496
  EXPECT_EQ(size(3, 2, 2), std::pair(2, 1));            // 1.33
  EXPECT_EQ(size(8, 3, 4), std::pair(4, 2));            // 1.5 is rounded up.
  EXPECT_EQ(size(1000, 2, 10), std::pair(10, 1));
}

TEST(Transcode, LeavesSmallerImagesAsTheyAre) {
  EXPECT_FALSE(transcode(gradient(200, 100), {200, 90}).has_value());
  EXPECT_TRUE(transcode(gradient(201, 100), {200, 90}).has_value());
  // Without a size every image is encoded anew, at its own size.
  const Image image = encoded(gradient(20, 10), {0, 90});
  EXPECT_EQ(std::pair(image.width, image.height), std::pair(20, 10));
}

TEST(Transcode, KeepsThePicture) {
  const Image small = encoded(gradient(400, 300), {100, 95});
  const Image expected = gradient(100, 75);
  int worst = 0;
  for (std::size_t i = 0; i < expected.rgb.size(); ++i)
    worst = std::max(worst, std::abs(expected.rgb[i] - small.rgb[i]));
  EXPECT_LE(worst, 6);
}

TEST(Transcode, QualityAndColourResolutionAreThoseAskedFor) {
  const Image image = gradient(64, 64);
  EXPECT_LT(transcode(image, {0, 30})->size(), transcode(image, {0, 95})->size());
  EXPECT_EQ(probe(transcode(image, {0, 90}).value()).components, 3);
  // Colours of neighbouring pixels stay apart: 4:4:4.
  Image stripes{16, 16, {}};
  for (int i = 0; i < 128; ++i)
    stripes.rgb.insert(stripes.rgb.end(), {200, 40, 40, 40, 40, 200});
  const Image back = encoded(stripes, {0, 100});
  EXPECT_NEAR(back.rgb[0], 200, 8);
  EXPECT_NEAR(back.rgb[3], 40, 8);
}

TEST(Transcode, GreyStaysGrey) {
  const auto bytes = transcode(gradient(64, 32, true), {32, 90});
  EXPECT_EQ(probe(bytes.value()).components, 1);
  const Image image = decode(bytes.value());
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    ASSERT_EQ(image.rgb[i], image.rgb[i + 1]);
    ASSERT_EQ(image.rgb[i], image.rgb[i + 2]);
  }
}

TEST(Transcode, IsTextAndBack) {
  EXPECT_EQ(transcode_from_json(to_json(Transcode{256, 85})), (Transcode{256, 85}));
  EXPECT_THROW(transcode_from_json(nlohmann::json::parse(R"({"max_side": "256"})")), nlohmann::json::exception);
}

}  // namespace
}  // namespace msn
