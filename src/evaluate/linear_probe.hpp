// SPDX-License-Identifier: Apache-2.0
// The linear probe of the official evaluation, forward and backward by hand, and its optimiser.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "model/parameters.hpp"

namespace msn {

/// Features -> layer norm (new, eps 1e-5) -> division by the 2-norm -> linear layer. Parameters norm.weight, norm.bias
/// [width], linear.weight [classes, width], linear.bias [classes].
class LinearProbe {
 public:
  /// float32 or float64; all parameters are zero.
  LinearProbe(std::int64_t width, int classes, at::ScalarType type);

  /// As the official code begins: weights normal with standard deviation 0.01, keyed by (seed, name), biases 0, norm 1.
  void initialise(std::uint64_t seed) const;

  const Parameters& parameters() const { return parameters_; }

  /// [n, width] -> scores [n, classes].
  at::Tensor scores(const at::Tensor& features) const;

  /// Adds to the gradients those of the sum over these rows of the cross-entropy divided by `batch`, the rows of the
  /// whole global batch. Returns the sum of the cross-entropies, not divided.
  double add_gradients(const at::Tensor& features, std::span<const std::int32_t> labels, std::int64_t batch) const;

 private:
  struct Forward {
    at::Tensor normed, mean, rstd;  ///< Of the layer norm.
    at::Tensor length;              ///< [n, 1], of the rows of `normed`; at least 1e-12.
    at::Tensor unit;                ///< [n, width]
    at::Tensor scores;
  };
  Forward forward(const at::Tensor& features) const;

  Parameters parameters_;
};

/// Two forms of Nesterov's momentum m. They agree while the learning rate is constant.
enum class NesterovRule {
  official,  ///< v = m v + lr g; p -= lr g + m v: the buffer holds steps. The official MSN evaluation.
  torch,     ///< v = m v + g; p -= lr (g + m v): the buffer holds gradients. torch.optim.SGD.
};

struct SgdStep {
  double lr = 0;
  double momentum = 0.9;
  double weight_decay = 0;  ///< Added to the gradients of tensors with more than one dimension.
  NesterovRule rule = NesterovRule::official;
};

/// One step from the gradients of `parameters`. `buffer`: as parameters.values(), zero before the first step.
void sgd_step(const Parameters& parameters, const at::Tensor& buffer, const SgdStep& step);

}  // namespace msn
