// SPDX-License-Identifier: Apache-2.0
// Smaller images on request: encoded anew when they are packed.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "data/image.hpp"

namespace msn {

/// Which images are encoded anew, and how.
struct Transcode {
  int max_side = 0;  ///< Images whose long side is larger are scaled down to it, others stay as they are; 0: all images
                     ///< are encoded anew, at their own size.
  int quality = 90;  ///< Of the JPEG, 1 to 100.
  bool operator==(const Transcode&) const = default;
};

/// The bytes that take the place of an image that was decoded to `image`, or nothing if it stays as it is. Scaling is
/// bicubic with antialiasing, the long side becomes max_side, the short side is rounded, at least 1.
std::optional<std::vector<std::byte>> transcode(const Image& image, const Transcode& how);

nlohmann::json to_json(const Transcode& how);
/// Throws nlohmann::json::exception for what to_json does not write.
Transcode transcode_from_json(const nlohmann::json& document);

}  // namespace msn
