// SPDX-License-Identifier: Apache-2.0
#include "data/rand_augment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr std::array<std::uint8_t, 3> kFill{124, 116, 104};

Planes planes_of(const std::uint8_t* rgb, int width, int height) {
  Image image{width, height, {rgb, rgb + 3 * width * height}};
  return to_planes(image);
}

// Pillow 13 on pictures of waves, of noise, of two levels and of one.
TEST(RandAugment, OperationsAreThoseOfPillow) {
  const h5::File file(test::golden("rand_augment.h5"), h5::Mode::read);
  const auto sizes = file.read<std::int32_t>("input/size");
  const auto pixels = file.read<std::uint8_t>("input/pixels");
  const auto inputs = file.read<std::int32_t>("case/input");
  const auto operations = file.read<std::int32_t>("case/operation");
  const auto amounts = file.read<double>("case/amount");
  const auto wanted = file.read<std::uint8_t>("case/pixels");
  std::vector<std::size_t> offsets{0};
  for (std::size_t i = 0; i < sizes.size() / 2; ++i)
    offsets.push_back(offsets.back() + static_cast<std::size_t>(3 * sizes[2 * i] * sizes[2 * i + 1]));
  ASSERT_EQ(inputs.size(), 192u);
  std::size_t at = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto input = static_cast<std::size_t>(inputs[i]);
    const std::size_t bytes = offsets[input + 1] - offsets[input];
    Planes image = planes_of(pixels.data() + offsets[input], sizes[2 * input], sizes[2 * input + 1]);
    apply_augment({static_cast<AugmentOperation>(operations[i]), amounts[i]}, kFill, image);
    const std::vector<std::uint8_t> got = to_image(image).rgb;
    const std::vector<std::uint8_t> want(wanted.begin() + static_cast<std::ptrdiff_t>(at),
                                         wanted.begin() + static_cast<std::ptrdiff_t>(at + bytes));
    EXPECT_EQ(got, want) << "input " << input << " operation " << operations[i] << " amount " << amounts[i];
    at += bytes;
  }
  EXPECT_EQ(at, wanted.size());
}

TEST(RandAugment, MagnitudesGrowTheEffect) {
  using Operation = AugmentOperation;
  EXPECT_DOUBLE_EQ(augment_amount(Operation::rotate, 9, true), 27);
  EXPECT_DOUBLE_EQ(augment_amount(Operation::rotate, 9, false), -27);
  EXPECT_EQ(augment_amount(Operation::posterize, 0, true), 4);
  EXPECT_EQ(augment_amount(Operation::posterize, 9, true), 1);
  EXPECT_EQ(augment_amount(Operation::posterize, 10, true), 1);
  EXPECT_EQ(augment_amount(Operation::solarize, 0, true), 256);
  EXPECT_EQ(augment_amount(Operation::solarize, 9, true), 26);
  EXPECT_EQ(augment_amount(Operation::solarize_add, 9, true), 99);
  EXPECT_DOUBLE_EQ(augment_amount(Operation::colour, 10, true), 1.9);
  EXPECT_DOUBLE_EQ(augment_amount(Operation::sharpness, 10, false), 0.1);
  EXPECT_DOUBLE_EQ(augment_amount(Operation::shear_x, 9, false), -0.27);
  EXPECT_DOUBLE_EQ(augment_amount(Operation::translate_y, 10, true), 0.45);
}

TEST(RandAugment, DrawsEveryOperationHalfOfTheTimes) {
  std::vector<int> counts(kAugmentOperations, 0);
  int steps = 0;
  for (std::uint64_t sample = 0; sample < 3000; ++sample) {
    RandomStream stream(1, 0, sample, 0, Purpose::rand_augment);
    const std::vector<AugmentStep> drawn = draw_rand_augment({}, stream);
    EXPECT_LE(drawn.size(), 2u);
    for (const AugmentStep& step : drawn) {
      ++counts[static_cast<std::size_t>(step.operation)];
      ++steps;
    }
  }
  EXPECT_NEAR(steps, 3000, 160);  // Four standard deviations.
  EXPECT_GT(*std::min_element(counts.begin(), counts.end()), 140);
  EXPECT_LT(*std::max_element(counts.begin(), counts.end()), 260);
  RandomStream first(1, 0, 5, 0, Purpose::rand_augment), again(1, 0, 5, 0, Purpose::rand_augment);
  const auto one = draw_rand_augment({}, first), two = draw_rand_augment({}, again);
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i)
    EXPECT_EQ(one[i].amount, two[i].amount);
  EXPECT_TRUE(draw_rand_augment({.operations = 0}, first).empty());
}

}  // namespace
}  // namespace msn
