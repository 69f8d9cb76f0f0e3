// SPDX-License-Identifier: Apache-2.0
// A Vision Transformer with a linear layer over its class token, all of whose weights are trained.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

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

/// Number of the layer that a parameter belongs to, for learning rates by layer: 0 the embeddings, 1 to depth the
/// blocks, depth + 1 the final norm and the classifier.
std::int64_t layer_of(std::string_view name, std::int64_t depth);

struct LayerwiseStep {
  double lr = 0;
  double weight_decay = 0.05;
  double layer_decay = 0.65;  ///< A layer's learning rate is this share of that of the layer above it.
};

/// AdamW (betas 0.9 and 0.999) with a learning rate for each layer (Clark et al., arXiv 2003.10555; as in MAE's
/// recipe). Weight decay applies to tensors with more than one dimension but for class token and positions.
class LayerwiseAdamW {
 public:
  /// `classifier` must outlive it.
  explicit LayerwiseAdamW(const Classifier& classifier);
  /// One step from the gradients.
  void step(const LayerwiseStep& step);

 private:
  const Classifier& classifier_;
  at::Tensor exp_avg_, exp_avg_sq_;
  std::int64_t count_ = 0;
};

}  // namespace msn
