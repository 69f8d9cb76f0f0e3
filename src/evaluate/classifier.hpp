// SPDX-License-Identifier: Apache-2.0
// A Vision Transformer with a linear layer over its class token, all of whose weights are trained.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "model/parameters.hpp"
#include "model/trunk.hpp"
#include "model/vit.hpp"

namespace msn {

/// Class token after the final layer norm -> linear layer. Parameters: the trunk's, classifier.weight [classes, width],
/// classifier.bias [classes].
class Classifier {
 public:
  /// Copies the trunk's weights out of `trunk`, a network that has them under the official names, and takes its type.
  /// The new layer is drawn by (seed, name): normal with standard deviation 2e-5, bias 0, as in MAE's recipe (arXiv
  /// 2111.06377).
  Classifier(const Parameters& trunk, const VitShape& shape, int classes, std::uint64_t seed);

  const VitShape& shape() const { return shape_; }
  const Parameters& parameters() const { return *parameters_; }

  /// Images [n, 3, size, size] -> scores [n, classes].
  at::Tensor scores(const at::Tensor& images) const;

  /// Adds to the gradients those of the sum over these images of the cross-entropy with `targets` [n, classes],
  /// float64, rows of sum 1, divided by `batch`, the images of the whole global batch. `branch_scale`:
  /// ViewGroup::branch_scale, undefined without drop path. Returns the sum of the cross-entropies, not divided.
  double add_gradients(const at::Tensor& images, const at::Tensor& targets, std::int64_t batch,
                       const at::Tensor& branch_scale = {}) const;

 private:
  ViewGroup group(const at::Tensor& images) const;

  VitShape shape_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Trunk> trunk_;
  Linear classifier_;
};

}  // namespace msn
