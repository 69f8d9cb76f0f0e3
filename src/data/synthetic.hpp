// SPDX-License-Identifier: Apache-2.0
// The built-in data set: pictures of ten shapes, made from a seed, for trials without a download.
//
// Place, size, angle, brightness, colours, textures and noise vary freely, so that pixels tell little of the class; the
// outline tells all of it, the hue a part.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.hpp"

namespace msn {

struct SyntheticSpec {
  std::uint64_t images = 6000;
  int size = 32;           ///< Pixels a side.
  std::uint64_t seed = 1;  ///< Another seed gives other pictures of the same classes: draw a test set with it.
};

/// Whether an input of msn pack names a generator ("synthetic:...").
bool is_synthetic(std::string_view input);

/// "synthetic:shapes" or "synthetic:shapes?images=6000&size=32&seed=1", each part optional. Throws usage_error.
SyntheticSpec parse_synthetic(std::string_view input);

/// Names of the classes, sorted.
const std::vector<std::string>& synthetic_classes();

/// Class of picture `index`: they take turns.
int synthetic_label(std::uint64_t index);

/// "disc/000003.jpg".
std::string synthetic_name(std::uint64_t index);

/// Picture `index`, a pure function of its arguments.
Image draw_synthetic(const SyntheticSpec& spec, std::uint64_t index);

}  // namespace msn
