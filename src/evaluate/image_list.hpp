// SPDX-License-Identifier: Apache-2.0
// Images that features are made of, from a packed data set or from files as they lie.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "evaluate/features.hpp"

namespace msn {

/// Named images, with their classes where these are known.
struct ImageList {
  std::vector<std::string> names;
  std::vector<std::int32_t> labels;  ///< Indices into classes, -1: none.
  std::vector<std::string> classes;  ///< Empty: none.
  std::string fingerprint;           ///< Of the packed data set; empty for files.
  ImageSource source;                ///< Of the same order; its errors name the image. Keeps what it needs.
};

/// Every stride-th image of a packed data set. Throws data_error.
ImageList list_packed_images(const std::filesystem::path& data, std::uint64_t stride);

/// Every stride-th image of a folder, a tar, a list or "synthetic:shapes?...", as msn pack takes them (list_sources);
/// `workers` threads read archives inside an archive. Throws data_error.
ImageList list_image_files(const std::string& input, std::uint64_t stride, int workers);

/// Throws an agreed data_error unless all ranks see the same names in the same order. All ranks call.
void require_same_images(const World& world, const ImageList& images, const std::string& where);

}  // namespace msn
