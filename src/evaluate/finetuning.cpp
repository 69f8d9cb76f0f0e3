// SPDX-License-Identifier: Apache-2.0
#include "evaluate/finetuning.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/world.hpp"
#include "evaluate/batches.hpp"
#include "evaluate/layerwise_adamw.hpp"
#include "evaluate/training_views.hpp"
#include "model/drop_path.hpp"

namespace msn {
namespace {

constexpr double kReferenceBatch = 256;

/// Images and labels of the pairs `pairs` of a batch: first the one half, then their partners.
struct Part {
  std::vector<std::uint64_t> samples;
  std::vector<std::int32_t> labels;
};

Part part_of(const Batches& batches, const LabelledSamples& data, std::uint64_t epoch, std::int64_t step,
             const RowRange& pairs) {
  const std::int64_t last = batches.batch();
  std::vector<std::uint64_t> rows = batches.rows(epoch, step, pairs.begin, pairs.end);
  std::vector<std::uint64_t> partners = batches.rows(epoch, step, last - pairs.end, last - pairs.begin);
  rows.insert(rows.end(), partners.rbegin(), partners.rend());
  Part part;
  for (const std::uint64_t row : rows) {
    part.samples.push_back(data.samples[row]);
    part.labels.push_back(data.labels[row]);
  }
  return part;
}

}  // namespace

double finetune_rate(const FinetuneOptions& options, double peak, double epoch) {
  if (epoch < options.warmup_epochs) return peak * epoch / options.warmup_epochs;
  const double progress = (epoch - options.warmup_epochs) / (options.epochs - options.warmup_epochs);
  return options.final_lr + (peak - options.final_lr) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

void finetune(const Communicator& communicator, const Classifier& classifier, const ImagesOf& images,
              const LabelledSamples& data, int classes, const FinetuneOptions& options,
              const std::function<void(const FinetuneProgress&)>& on_epoch) {
  MSN_CHECK(options.epochs > 0 && options.batch > 1 && options.batch % 2 == 0);
  MSN_CHECK(options.part > 1 && options.part % 2 == 0 && data.samples.size() == data.labels.size());
  const auto rows = static_cast<std::int64_t>(data.samples.size());
  if (rows < 2) throw AgreedError(data_error("fine-tuning needs at least two images", "", "give more labels"));
  const Batches batches(data.samples.size(), static_cast<int>(std::min<std::int64_t>(options.batch, rows / 2 * 2)),
                        options.seed);
  const RowRange mine = share_of_rank(batches.batch() / 2, communicator.rank(), communicator.size());
  const double peak = options.lr * static_cast<double>(batches.batch()) / kReferenceBatch;
  const std::int64_t pairs_at_once = options.part / 2;

  const Parameters& parameters = classifier.parameters();
  LayerwiseAdamW optimizer(classifier);
  const at::Tensor loss = at::zeros({1}, at::kDouble);
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const auto epoch_number = static_cast<std::uint64_t>(epoch);
    FinetuneProgress progress{epoch + 1, 0, 0};
    for (std::int64_t step = 0; step < batches.steps_per_epoch(); ++step) {
      parameters.gradients().zero_();
      double here = 0;
      for (std::int64_t begin = mine.begin; begin < mine.end; begin += pairs_at_once) {
        const Part part =
            part_of(batches, data, epoch_number, step, {begin, std::min(begin + pairs_at_once, mine.end)});
        const at::Tensor mixed = images(epoch_number, part.samples);
        const Mix mix =
            draw_mix(options.mix, mixed.size(2), options.seed, epoch_number, static_cast<std::uint64_t>(step));
        mix_pairs(mixed, mix);
        here += classifier.add_gradients(mixed, mixed_targets(part.labels, classes, mix, options.smoothing),
                                         batches.batch(),
                                         drop_path_factors(options.seed, epoch_number, part.samples, kClassifierView, 1,
                                                           classifier.shape().depth, options.drop_path));
      }
      loss.fill_(here);
      communicator.sum(loss, "loss");
      communicator.sum(parameters.gradients(), "gradients");
      const double mean = loss.item<double>() / static_cast<double>(batches.batch());
      if (!std::isfinite(mean)) {
        throw AgreedError(numerics_error("the loss of fine-tuning is not finite", "epoch " + std::to_string(epoch + 1),
                                         "lower the learning rate"));
      }
      progress.loss += mean / static_cast<double>(batches.steps_per_epoch());
      progress.lr = finetune_rate(options, peak,
                                  epoch + static_cast<double>(step) / static_cast<double>(batches.steps_per_epoch()));
      optimizer.step({progress.lr, options.weight_decay, options.layer_decay});
    }
    if (on_epoch) on_epoch(progress);
  }
}

}  // namespace msn
