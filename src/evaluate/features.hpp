// SPDX-License-Identifier: Apache-2.0
// From images to rows of features, shared over ranks and threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/image.hpp"
#include "data/pack.hpp"
#include "evaluate/encoder.hpp"

namespace msn {

/// The evaluation view: short side to 256/224 of the model's image size, then a centre crop of that size, normalised as
/// in training, [3, size, size]. An image whose short side is the model's size already is only cropped: pictures packed
/// at the training size are looked at whole.
void evaluation_view(const Image& image, const Config& config, std::span<float> out);

/// What makes features of views: a network looked at by certain tokens, or the pixels themselves.
struct FeatureMaker {
  Config config;              ///< Its model and views sections say what the evaluation view is.
  std::int64_t width = 0;     ///< Columns.
  std::int64_t batch = 1;     ///< Images at once. Decides bits, and so depends on the model alone.
  std::string identity = {};  ///< Makers with the same one make the same rows; empty: not worth keeping any.
  /// Normalised images [n, 3, size, size] -> rows [n, width]. Called by several threads at once.
  std::function<at::Tensor(const at::Tensor& images)> encode;
};
FeatureMaker network_features(std::shared_ptr<const Encoder> encoder, const TokenChoice& choice);
FeatureMaker pixel_features(const Config& config);

/// Images by number. Called by several threads at once; throws Error for one that cannot be had.
struct ImageSource {
  std::uint64_t count = 0;
  std::function<Image(std::uint64_t index)> read;
};
/// Some samples of a data set, which must outlive it, as must `samples`.
ImageSource images_of(const DataSet& set, std::span<const std::uint64_t> samples);

struct ExtractionOptions {
  int threads = 1;  ///< Compute threads of this rank (set_up_threads).
  OnBad on_bad = OnBad::fail;
  /// Called on the main thread now and then with how many of this rank's images are done. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

/// An image that could not be had.
struct UnreadImage {
  std::uint64_t index = 0;
  Error error;
};

/// The rows [begin, begin + values.size(0)) of all.
struct FeatureRows {
  std::uint64_t begin = 0;
  at::Tensor values;                ///< float32 [rows, width]
  std::vector<UnreadImage> unread;  ///< With OnBad::skip, rising; their rows are zero.
};

/// This rank's rows: the images are cut into batches of maker.batch, and each rank has a run of whole ones. A batch is
/// computed on one thread alone, so that no bit depends on the number of ranks or threads. Communicates nothing. With
/// OnBad::fail throws the error of the first image of this rank's that could not be had.
FeatureRows features_of_rank(const World& world, const ImageSource& images, const FeatureMaker& maker,
                             const ExtractionOptions& options);

/// features_of_rank() of all ranks, gathered: all rows and all images that could not be had, on every rank. All ranks
/// call.
FeatureRows extract_features(const World& world, const ImageSource& images, const FeatureMaker& maker,
                             const ExtractionOptions& options);

}  // namespace msn
