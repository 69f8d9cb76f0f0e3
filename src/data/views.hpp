// SPDX-License-Identifier: Apache-2.0
// From decoded images and view parameters to the numbers that the network reads.
#pragma once

#include <array>
#include <span>

#include "config/config.hpp"
#include "data/blur.hpp"
#include "data/image.hpp"
#include "data/resize.hpp"
#include "data/view_parameters.hpp"

namespace msn {

/// Views of one sample: the target view, the random ones, the focal ones.
int view_count(const ViewsConfig& config);
/// Pixels a side of view `view`.
int view_size(const ViewsConfig& config, int view);

/// Makes views again and again in the same memory. One for each thread.
class ViewMaker {
 public:
  explicit ViewMaker(const ViewsConfig& config, const PixelKernels& kernels = pixel_kernels());

  /// The pixels of a view, size x size: crop and resize, flip, colour jitter, grayscale, blur. They are valid until the
  /// next call.
  const Planes& make(const TurnedImage& image, const ViewParameters& parameters, int size);

 private:
  Interpolation interpolation_;
  ResizeOrder order_;
  const PixelKernels* kernels_;
  Resizer resizer_;
  GaussianBlur blur_;
  Planes view_;
};

/// ViewMaker::make of one view.
Planes make_view(const Image& image, const ViewParameters& parameters, int size, const ViewsConfig& config);

/// (level / 255 - mean) / std of each channel in float32 with every step rounded, as ToTensor and Normalize do.
class Normaliser {
 public:
  Normaliser(const std::array<double, 3>& mean, const std::array<double, 3>& std);
  explicit Normaliser(const ViewsConfig& config) : Normaliser(config.mean, config.std) {}

  /// What each level of a channel becomes, [3][256].
  std::span<const float> levels() const { return tables_; }
  /// All pixels: `out` is [3][height][width].
  void write_planes(const Planes& image, std::span<float> out) const;
  /// Rows of patches, ready for one product with the patch embedding: `out` is [kept.size()][3][patch][patch], for the
  /// patches `kept` of the grid of width / patch columns, numbered row by row. Pixels beyond the grid are unused.
  void write_patch_rows(const Planes& image, int patch, std::span<const std::int64_t> kept, std::span<float> out) const;

 private:
  std::array<float, std::size_t{3} * 256> tables_;
};

/// Normaliser::write_planes with the configuration's mean and standard deviation.
void normalise(const Planes& image, const ViewsConfig& config, std::span<float> out);

}  // namespace msn
