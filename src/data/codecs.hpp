// SPDX-License-Identifier: Apache-2.0
// The two codecs behind decode.hpp.
#pragma once

#include "data/decode.hpp"

namespace msn {

ImageFacts probe_jpeg(std::span<const std::byte> bytes);
Image decode_jpeg(std::span<const std::byte> bytes);
ImageFacts probe_png(std::span<const std::byte> bytes);
Image decode_png(std::span<const std::byte> bytes);

/// Throws data_error if an image of this size is refused.
void check_image_size(std::uint64_t width, std::uint64_t height);

}  // namespace msn
