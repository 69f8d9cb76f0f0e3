// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/config.hpp"

namespace msn {

struct ImageCount {
  std::uint64_t images;
  std::string source;  ///< In words: "as given", "of data/imagenet-train".
};

/// Images of an epoch for commands that only reckon: as `given`, else those of the configuration's data, else, where
/// there are none yet, those of ImageNet-1k. Reads no more than dataset.json.
ImageCount count_images(const Config& config, std::optional<std::uint64_t> given);

}  // namespace msn
