// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "data/image.hpp"

namespace msn {

/// A PNG of 8-bit RGB. Equal images give equal bytes with the same libpng and zlib.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace msn
