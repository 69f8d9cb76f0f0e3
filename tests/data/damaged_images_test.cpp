// SPDX-License-Identifier: Apache-2.0
// Damaged copies of the golden images: accepted and refused as Pillow accepts and refuses them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "data/decode.hpp"
#include "golden_images.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

struct Outcome {
  const char* name;
  const char* refused;
};

/// What Pillow 13.0.0 does with open().convert("RGB") when the byte at 0, step, 2 step, ... is changed by ^ 0x5a: `x`
/// it raises an exception, `.` it gives an image. The step is 37 in files of less than 4000 bytes, else 997.
/// no_eoi.jpg is left out: a JPEG without its end marker that is damaged elsewhere too is always refused here, while
/// Pillow takes some for whole.
constexpr Outcome pillow[] = {
    // clang-format off
    {"n03584829_iron.JPEG", "x.....xx.xx................................................"},
    {"n04254120_soap_dispenser.JPEG", "x....xx.xx................................................................"},
    {"n03920288_Petri_dish.JPEG", "x........."},
    {"n04049303_rain_barrel.JPEG", "x.....x...."},
    {"n01753488_horned_viper.JPEG", "x............."},
    {"n02815834_beaker.JPEG", "x....................."},
    {"n04238763_slide_rule.JPEG", "x........................."},
    {"n03272010_electric_guitar.JPEG", "x.................................."},
    {"n02110185_Siberian_husky.JPEG", "x................................"},
    {"n04604644_worm_fence.JPEG", "x..............................."},
    {"cifar_test_cat_0000.jpg", "x....xx....xx.............."},
    {"cmyk.jpg", "x....................."},
    {"ycck.jpg", "x........x...."},
    {"progressive.jpg", "x.....x."},
    {"exif6.jpg", "x........"},
    {"restart.jpg", "x........"},
    {"rgb_not_ycc.jpg", "x...................."},
    {"420_odd_17x9.jpg", "x....xx....xx.......x"},
    {"422_odd_33x15.jpg", "x....xx....xx............x"},
    {"one_pixel.jpg", "x....xx....xx....x"},
    {"thin_300x1.jpg", "x....xx....xx.........."},
    {"short_side_256.jpg", "x......................"},
    {"odd_margin_251x250.jpg", "x................."},
    {"odd_margin_250x255.jpg", "x................."},
    {"rgb.png", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"palette.png", "xxxxxxxxxxxx"},
    {"gray.png", "xxxxxxxxxxxxxxxx"},
    {"gray16.png", "xxxxxxx"},
    {"trailing_garbage.jpg", "x.....x...."},
    {"truncated_half.jpg", "xxxxxx"},
    {"truncated_tail.jpg", "xxxxxxxxxxx"},
    {"truncated_header.jpg", "xxxxxx"},
    {"corrupt_huffman_early.jpg", "x.....x...."},
    {"corrupt_huffman_middle.jpg", "x.....x...."},
    {"bad_huffman_code.jpg", "x.....x...."},
    {"stray_marker.jpg", "xxxxxxxxxxx"},
    {"stray_restart.jpg", "x.....x...."},
    {"not_an_image.jpg", "xxxxxxxxx"},
    // clang-format on
};

constexpr std::byte change{0x5a};

/// The pixels, or nothing if the image is refused. The line of a refusal must be of use.
std::vector<std::uint8_t> pixels_of(Decoder& decoder, const std::vector<std::byte>& bytes) {
  Image image;
  try {
    decoder.decode(bytes, image);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_GT(error.problem().size(), 10u) << error.problem();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return {};
  }
  EXPECT_EQ(image.rgb.size(), std::size_t{3} * static_cast<std::size_t>(image.width * image.height));
  return image.rgb;
}

TEST(DamagedImages, AreAcceptedAndRefusedAsPillowDoes) {
  const h5::File file(test::golden("augment.h5"), h5::Mode::read);
  const auto encoded = test::read_encoded(file);
  const auto names = file.read_strings("image/name");
  Decoder decoder;
  for (const Outcome& expected : pillow) {
    const auto place = std::find(names.begin(), names.end(), expected.name);
    ASSERT_NE(place, names.end()) << expected.name;
    std::vector<std::byte> bytes = encoded[static_cast<std::size_t>(place - names.begin())];
    const std::size_t step = bytes.size() < 4000 ? 37 : 997;
    std::string refused;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      bytes[at] ^= change;
      // The one has decoded all damaged images before.
      const std::vector<std::uint8_t> pixels = pixels_of(decoder, bytes);
      Decoder fresh;
      EXPECT_EQ(pixels, pixels_of(fresh, bytes)) << expected.name << ", byte " << at;
      refused += pixels.empty() ? 'x' : '.';
      bytes[at] ^= change;
    }
    EXPECT_EQ(refused, expected.refused) << expected.name;
  }
}

/// A file that is damaged otherwise may hide its end: libjpeg then takes what follows for it.
bool is_sound(const std::string& name) {
  const auto begins = [&](const char* with) { return name.starts_with(with); };
  return !begins("corrupt") && !begins("bad") && !begins("stray") && !begins("trailing");
}

TEST(DamagedImages, TruncatedAnywhereAreRefused) {
  const h5::File file(test::golden("augment.h5"), h5::Mode::read);
  const auto encoded = test::read_encoded(file);
  const auto names = file.read_strings("image/name");
  const auto ok = file.read<std::uint8_t>("image/ok");
  Decoder decoder;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    const std::vector<std::byte>& whole = encoded[i];
    const std::size_t size = whole.size();
    if (ok[i] == 0 || size > 40000 || !is_sound(names[i])) continue;
    for (const std::size_t part : {size - 1, size - 2, 3 * size / 4, size / 2, size / 3, size / 10, std::size_t{12}}) {
      const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(part));
      EXPECT_TRUE(pixels_of(decoder, cut).empty()) << names[i] << ", " << part << " of " << size << " bytes";
    }
    EXPECT_FALSE(pixels_of(decoder, whole).empty()) << names[i];
  }
}

}  // namespace
}  // namespace msn
