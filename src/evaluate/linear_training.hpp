// SPDX-License-Identifier: Apache-2.0
// Training of the linear probe by the paper's protocol (arXiv 2204.07141, appendix A.3).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>

#include "comm/communicator.hpp"
#include "evaluate/linear_probe.hpp"

namespace msn {

struct LinearOptions {
  int epochs = 100;
  int batch = 16384;  ///< Rows of a step over all ranks; at most those of the training set.
  double lr = 0.1;    ///< For a batch of 256, scaled in proportion: 6.4 at 16384. Falls to 0 by a half cosine.
  double momentum = 0.9;
  double weight_decay = 0;  ///< Of the linear layer's weights.
  NesterovRule rule = NesterovRule::official;
  std::uint64_t seed = 0;  ///< Of the first weights and the order of the rows.
};

struct LinearProgress {
  int epoch = 0;    ///< That ended, from 1.
  double loss = 0;  ///< Mean cross-entropy of its steps, each before its update.
  double lr = 0;    ///< Of its last step.
};

/// The features of training rows `rows` in `epoch` (from 0): [rows.size(), width], the same on any rank.
using FeaturesOf = std::function<at::Tensor(std::uint64_t epoch, std::span<const std::uint64_t> rows)>;

/// Learning rate of step `step` of `steps`, from 0: peak (1 + cos(pi step / steps)) / 2.
double cosine_rate(double peak, std::int64_t step, std::int64_t steps);

/// Trains a probe of float32. Each epoch has the rows in a new order, cut into whole batches; what is left over is
/// dropped. The ranks share each batch, and their gradients are summed in rank order: another number of ranks changes
/// rounding only. `labels` of all rows, in [0, classes). All ranks call, with equal arguments, and end with equal
/// weights. Throws numerics_error if the loss of a step is not finite.
LinearProbe train_linear_probe(const Communicator& communicator, const FeaturesOf& features, std::int64_t width,
                               std::span<const std::int32_t> labels, int classes, const LinearOptions& options,
                               const std::function<void(const LinearProgress&)>& on_epoch = {});

}  // namespace msn
