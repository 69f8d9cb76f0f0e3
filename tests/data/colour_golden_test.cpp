// SPDX-License-Identifier: Apache-2.0
// Colour conversions of all 2^24 colours.
#include <gtest/gtest.h>

#include "base/hdf5.hpp"
#include "data/colour.hpp"
#include "golden_images.hpp"
#include "kernels/pixel_functions.hpp"
#include "support/sha256.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

/// All colours whose first channel is `first`.
Planes slab(int first) {
  Planes planes;
  planes.reshape(256, 256);
  for (std::size_t i = 0; i < planes.pixels(); ++i) {
    planes.plane(0)[i] = static_cast<std::uint8_t>(first);
    planes.plane(1)[i] = static_cast<std::uint8_t>(i >> 8);
    planes.plane(2)[i] = static_cast<std::uint8_t>(i);
  }
  return planes;
}

template <class Function>
void for_pixels(Planes& planes, Function function) {
  for (std::size_t i = 0; i < planes.pixels(); ++i) {
    const kernels::Pixel out = function(kernels::Pixel{{planes.plane(0)[i], planes.plane(1)[i], planes.plane(2)[i]}});
    for (std::size_t c = 0; c < 3; ++c)
      planes.plane(c)[i] = out.levels[c];
  }
}

template <class Function>
void check_all_colours(const std::string& table, Function digest_of) {
  const h5::File file(test::golden("colour_tables.h5"), h5::Mode::read);
  const auto expected = test::read_digests(file, table + "/slab_sha256");
  ASSERT_EQ(expected.size(), 256u);
  for (int first = 0; first < 256; ++first) {
    Planes planes = slab(first);
    EXPECT_EQ(digest_of(planes), expected[static_cast<std::size_t>(first)]) << table << " " << first;
  }
}

TEST(ColourGolden, RgbToHsv) {
  check_all_colours("rgb_to_hsv", [](Planes& planes) {
    for_pixels(planes, kernels::rgb_to_hsv);
    return test::digest(planes);
  });
}

TEST(ColourGolden, HsvToRgb) {
  check_all_colours("hsv_to_rgb", [](Planes& planes) {
    for_pixels(planes, kernels::hsv_to_rgb);
    return test::digest(planes);
  });
}

TEST(ColourGolden, Luma) {
  for (const PixelKernels* kernels : {&generic_pixel_kernels(), &pixel_kernels()}) {
    check_all_colours("rgb_to_l", [&](Planes& planes) {
      to_grayscale(planes, *kernels);
      return test::sha256(planes.plane(1));
    });
  }
}

/// The vectorised hue in one go against the two conversions above, for every colour.
TEST(ColourGolden, ShiftedHue) {
  for (int first = 0; first < 256; ++first) {
    Planes planes = slab(first);
    Planes expected = planes;
    const auto shift = static_cast<std::uint8_t>(first * 37 + 1);
    for_pixels(expected, [&](kernels::Pixel rgb) { return kernels::shift_hue(rgb, shift); });
    pixel_kernels().shift_hue(planes.pointers().data(), planes.pixels(), shift);
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_TRUE(std::equal(expected.plane(c).begin(), expected.plane(c).end(), planes.plane(c).begin()))
          << "red " << first << ", channel " << c;
    }
  }
}

TEST(Sha256, MatchesTheStandardsExample) {
  const std::array<std::uint8_t, 3> abc{'a', 'b', 'c'};
  EXPECT_EQ(test::sha256_hex(abc), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace msn
