// SPDX-License-Identifier: Apache-2.0
// AdamW with learning rates that fall from the classifier to the embeddings.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "evaluate/classifier.hpp"

namespace msn {

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
