// SPDX-License-Identifier: Apache-2.0
// Training of all weights on labelled images by the paper's protocol (arXiv 2204.07141, appendix A.4).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>

#include "comm/communicator.hpp"
#include "evaluate/classifier.hpp"
#include "evaluate/labelled_samples.hpp"
#include "evaluate/mixing.hpp"

namespace msn {

struct FinetuneOptions {
  int epochs = 100;
  int batch = 1024;          ///< Images of a step over all ranks; even, and at most those of the training set.
  double lr = 5e-4;          ///< For a batch of 256, scaled in proportion: 2e-3 at 1024.
  double warmup_epochs = 5;  ///< Linear from 0; then a half cosine to `final_lr`.
  double final_lr = 1e-6;
  double weight_decay = 0.05;
  double layer_decay = 0.65;
  double drop_path = 0.2;
  double smoothing = 0.1;
  MixOptions mix;
  std::uint64_t seed = 0;
  int part = 32;  ///< Images through the network at once on a rank; even. Changes memory and rounding only.
};

struct FinetuneProgress {
  int epoch = 0;    ///< That ended, from 1.
  double loss = 0;  ///< Mean cross-entropy with the mixed targets over its steps.
  double lr = 0;    ///< Of its last step.
};

/// Of the step that begins `epoch` epochs, in parts, after the start.
double finetune_rate(const FinetuneOptions& options, double peak, double epoch);

/// Training images `samples` (of LabelledSamples) in `epoch`, normalised: [samples.size(), 3, size, size], the same on
/// any rank.
using ImagesOf = std::function<at::Tensor(std::uint64_t epoch, std::span<const std::uint64_t> samples)>;

/// Trains `classifier`. Each epoch has the images in a new order, cut into whole batches; what is left over is dropped.
/// An image's partner for mixing is the one as far from the batch's end as it is from the start, and both are the same
/// rank's. The ranks share each batch, and their gradients are summed in rank order: another number of ranks changes
/// rounding only. All ranks call, with equal arguments, and end with equal weights. Throws data_error for fewer than
/// two images, numerics_error if the loss of a step is not finite.
void finetune(const Communicator& communicator, const Classifier& classifier, const ImagesOf& images,
              const LabelledSamples& data, int classes, const FinetuneOptions& options,
              const std::function<void(const FinetuneProgress&)>& on_epoch = {});

}  // namespace msn
