// SPDX-License-Identifier: Apache-2.0
// What a run's network makes of images: its views, which images belong to which prototypes, and where it looks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "report/pictures.hpp"

namespace msn {

struct PictureOptions {
  std::optional<std::filesystem::path> data;  ///< A packed data set instead of the run's own.
  std::uint64_t sample = 512;                 ///< Images that are searched for those nearest to prototypes; at least 2.
  int threads = 1;                            ///< That decode.
  /// Called now and then with how many of these images have been seen. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

/// The views of the first images of a step; the images nearest to the most used prototypes; and where the class token
/// looks, with the patch tokens in colours. The latter two are of the target network of the newest checkpoint, and left
/// out with a note where there is none, as all is where the run was trained on made-up numbers. On one rank, after
/// set_up_threads() and set_up_gemm(). Throws config_error and data_error where the run's configuration, data set or
/// checkpoint cannot be read.
RunPictures draw_network_pictures(const std::filesystem::path& run, const PictureOptions& options);

}  // namespace msn
