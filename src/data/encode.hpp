// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "data/image.hpp"

namespace msn {

/// A baseline JPEG of `quality` 1 to 100 with full colour resolution (4:4:4), of one component if all pixels are grey.
std::vector<std::byte> encode_jpeg(const Image& image, int quality);

}  // namespace msn
