// SPDX-License-Identifier: Apache-2.0
// Reads augment.h5 (tests/golden/README-data.md).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "data/image.hpp"

namespace msn::test {

using Digest = std::array<std::uint8_t, 32>;

/// The SHA-256 of interleaved pixels.
Digest digest(const Image& image);
Digest digest(const Planes& planes);

/// Rows of 32 bytes.
std::vector<Digest> read_digests(const h5::File& file, const std::string& dataset);

/// The encoded images, in order.
std::vector<std::vector<std::byte>> read_encoded(const h5::File& file);

/// What the operations start from; images without stored pixels are decoded.
std::vector<Image> read_inputs(const h5::File& file);

}  // namespace msn::test
