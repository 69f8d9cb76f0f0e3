// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "data/dataset.hpp"
#include "data/image.hpp"

namespace msn {

/// Reads and decodes one sample. Throws data_error naming the sample and its file.
Image read_image(const DataSet& set, std::uint64_t sample);

}  // namespace msn
