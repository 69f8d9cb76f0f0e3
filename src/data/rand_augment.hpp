// SPDX-License-Identifier: Apache-2.0
// RandAugment (Cubuk et al., arXiv 1909.13719) with the operations and magnitudes that fine-tuning recipes use (timm's
// "rand-m9-mstd0.5-inc1"), by Pillow's arithmetic on 8-bit planes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "data/image.hpp"

namespace msn {

enum class AugmentOperation : std::uint8_t {
  auto_contrast,  ///< Stretches each channel's levels to 0 to 255.
  equalize,       ///< Evens out each channel's histogram.
  invert,
  rotate,        ///< amount: degrees, against the clock.
  posterize,     ///< amount: bits of each level that are kept.
  solarize,      ///< amount: levels from this on are inverted.
  solarize_add,  ///< amount: is added to levels below 128.
  colour,        ///< amount: factor as of adjust_saturation; so the next two.
  contrast,
  brightness,
  sharpness,    ///< amount: 0 smoothed, 1 unchanged, above sharper.
  shear_x,      ///< amount: columns that a row is shifted by for each row.
  shear_y,      ///< amount: rows that a column is shifted by for each column.
  translate_x,  ///< amount: share of the width that the picture moves to the left.
  translate_y,  ///< amount: share of the height that the picture moves up.
};
inline constexpr int kAugmentOperations = 15;

struct AugmentStep {
  AugmentOperation operation = AugmentOperation::invert;
  double amount = 0;
};

struct RandAugment {
  int operations = 2;        ///< Drawn for an image, with repetition; 0: RandAugment is off.
  double magnitude = 9;      ///< Of 10.
  double deviation = 0.5;    ///< Standard deviation of each operation's magnitude, which is cut to 0 to 10.
  double probability = 0.5;  ///< That a drawn operation is carried out.
};

/// What magnitude 0 to 10 means for an operation: each grows with it. `positive` gives its sign to an amount that has
/// one, and says for colour, contrast, brightness and sharpness whether there becomes more of it.
double augment_amount(AugmentOperation operation, double magnitude, bool positive);

std::vector<AugmentStep> draw_rand_augment(const RandAugment& options, RandomStream& stream);

/// In place. Rotations, shears and translations resample bicubically and fill what they lay bare with `fill`.
void apply_augment(const AugmentStep& step, const std::array<std::uint8_t, 3>& fill, Planes& image);

}  // namespace msn
