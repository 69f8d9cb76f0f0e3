// SPDX-License-Identifier: Apache-2.0
#include "data/rand_augment.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "base/error.hpp"
#include "data/affine.hpp"
#include "data/colour.hpp"

namespace msn {
namespace {

constexpr double kMost = 10;  // Of magnitudes.

using Table = std::array<std::uint8_t, 256>;
using Histogram = std::array<std::uint64_t, 256>;

/// table(level) for each level.
template <class Function>
Table table_of(Function function) {
  Table table{};
  for (int level = 0; level < 256; ++level)
    table[static_cast<std::size_t>(level)] = static_cast<std::uint8_t>(std::clamp(function(level), 0, 255));
  return table;
}

void look_up(const Table& table, std::span<std::uint8_t> levels) {
  for (std::uint8_t& level : levels)
    level = table[level];
}

void look_up_all(const Table& table, Planes& image) {
  for (std::size_t c = 0; c < 3; ++c)
    look_up(table, image.plane(c));
}

Histogram histogram_of(std::span<const std::uint8_t> levels) {
  Histogram histogram{};
  for (const std::uint8_t level : levels)
    ++histogram[level];
  return histogram;
}

Table auto_contrast_table(const Histogram& histogram) {
  int low = 0, high = 255;
  while (low < 255 && histogram[static_cast<std::size_t>(low)] == 0)
    ++low;
  while (high > 0 && histogram[static_cast<std::size_t>(high)] == 0)
    --high;
  if (high <= low) return table_of([](int level) { return level; });
  const double scale = 255.0 / (high - low), offset = -low * scale;
  return table_of([&](int level) { return static_cast<int>(level * scale + offset); });
}

Table equalize_table(const Histogram& histogram) {
  const auto last = std::find_if(histogram.rbegin(), histogram.rend(), [](std::uint64_t n) { return n != 0; });
  const std::uint64_t all = std::accumulate(histogram.begin(), histogram.end(), std::uint64_t{0});
  const std::uint64_t step = last == histogram.rend() ? 0 : (all - *last) / 255;
  if (step == 0) return table_of([](int level) { return level; });
  std::uint64_t below = step / 2;
  return table_of([&](int level) {
    const std::uint64_t here = below / step;
    below += histogram[static_cast<std::size_t>(level)];
    return static_cast<int>(std::min<std::uint64_t>(here, 255));
  });
}

/// Blends with the picture smoothed by (1 1 1, 1 5 1, 1 1 1) / 13; pixels at the edge are not smoothed. Every step in
/// float32, as in Pillow.
void sharpen(std::span<std::uint8_t> plane, int width, int height, double factor) {
  if (width < 3 || height < 3) return;
  const auto columns = static_cast<std::size_t>(width);
  const std::vector<std::uint8_t> original(plane.begin(), plane.end());
  constexpr float side = 1.0f / 13.0f, centre = 5.0f / 13.0f;
  const auto alpha = static_cast<float>(factor);
  for (std::size_t y = 1; y + 1 < static_cast<std::size_t>(height); ++y) {
    for (std::size_t x = 1; x + 1 < columns; ++x) {
      const std::uint8_t* at = original.data() + y * columns + x;
      const auto row = [side](const std::uint8_t* of, float middle) {
        return static_cast<float>(of[-1]) * side + static_cast<float>(of[0]) * middle +
               static_cast<float>(of[1]) * side;
      };
      float sum = 0.5f;
      sum += row(at + columns, side);
      sum += row(at, centre);
      sum += row(at - columns, side);
      const int smooth = static_cast<int>(std::clamp(sum, 0.0f, 255.0f));
      const float blended = static_cast<float>(smooth) + alpha * static_cast<float>(static_cast<int>(*at) - smooth);
      plane[y * columns + x] = static_cast<std::uint8_t>(std::clamp(blended, 0.0f, 255.0f));
    }
  }
}

}  // namespace

double augment_amount(AugmentOperation operation, double magnitude, bool positive) {
  MSN_CHECK(magnitude >= 0 && magnitude <= kMost);
  const double share = magnitude / kMost;
  const double sign = positive ? 1 : -1;
  switch (operation) {
    case AugmentOperation::auto_contrast:
    case AugmentOperation::equalize:
    case AugmentOperation::invert:
      return 0;
    case AugmentOperation::rotate:
      return sign * share * 30;
    case AugmentOperation::posterize:
      return std::max(1.0, 4 - std::trunc(share * 4));  // Pillow refuses 0 bits.
    case AugmentOperation::solarize:
      return 256 - std::min(256.0, std::trunc(share * 256));
    case AugmentOperation::solarize_add:
      return std::min(128.0, std::trunc(share * 110));
    case AugmentOperation::colour:
    case AugmentOperation::contrast:
    case AugmentOperation::brightness:
    case AugmentOperation::sharpness:
      return std::max(0.1, 1 + sign * share * 0.9);
    case AugmentOperation::shear_x:
    case AugmentOperation::shear_y:
      return sign * share * 0.3;
    case AugmentOperation::translate_x:
    case AugmentOperation::translate_y:
      return sign * share * 0.45;
  }
  return 0;
}

std::vector<AugmentStep> draw_rand_augment(const RandAugment& options, RandomStream& stream) {
  std::vector<AugmentStep> steps;
  for (int i = 0; i < options.operations; ++i) {
    // All is drawn whatever is carried out, so that one operation's draws do not move those of the next.
    const auto operation = static_cast<AugmentOperation>(stream.below(kAugmentOperations));
    const bool carried_out = stream.chance(options.probability);
    const double magnitude = std::clamp(options.magnitude + options.deviation * stream.normal(), 0.0, kMost);
    const bool positive = stream.chance(0.5);
    if (carried_out) steps.push_back({operation, augment_amount(operation, magnitude, positive)});
  }
  return steps;
}

void apply_augment(const AugmentStep& step, const std::array<std::uint8_t, 3>& fill, Planes& image) {
  const double amount = step.amount;
  const auto map_by = [&](const AffineMap& map) { image = transform_bicubic(image, map, fill); };
  switch (step.operation) {
    case AugmentOperation::auto_contrast:
    case AugmentOperation::equalize:
      for (std::size_t c = 0; c < 3; ++c) {
        const Histogram histogram = histogram_of(image.plane(c));
        look_up(
            step.operation == AugmentOperation::equalize ? equalize_table(histogram) : auto_contrast_table(histogram),
            image.plane(c));
      }
      return;
    case AugmentOperation::invert:
      return look_up_all(table_of([](int level) { return 255 - level; }), image);
    case AugmentOperation::rotate:
      return map_by(rotation(amount, image.width(), image.height()));
    case AugmentOperation::posterize: {
      const int mask = 256 - (1 << (8 - std::clamp(static_cast<int>(amount), 0, 8)));
      return look_up_all(table_of([&](int level) { return level & mask; }), image);
    }
    case AugmentOperation::solarize:
      return look_up_all(table_of([&](int level) { return level < amount ? level : 255 - level; }), image);
    case AugmentOperation::solarize_add:
      return look_up_all(table_of([&](int level) { return level < 128 ? level + static_cast<int>(amount) : level; }),
                         image);
    case AugmentOperation::colour:
      return adjust_saturation(image, amount);
    case AugmentOperation::contrast:
      return adjust_contrast(image, amount);
    case AugmentOperation::brightness:
      return adjust_brightness(image, amount);
    case AugmentOperation::sharpness:
      for (std::size_t c = 0; c < 3; ++c)
        sharpen(image.plane(c), image.width(), image.height(), amount);
      return;
    case AugmentOperation::shear_x:
      return map_by({1, amount, 0, 0, 1, 0});
    case AugmentOperation::shear_y:
      return map_by({1, 0, 0, amount, 1, 0});
    case AugmentOperation::translate_x:
      return map_by({1, 0, amount * image.width(), 0, 1, 0});
    case AugmentOperation::translate_y:
      return map_by({1, 0, 0, 0, 1, amount * image.height()});
  }
}

}  // namespace msn
