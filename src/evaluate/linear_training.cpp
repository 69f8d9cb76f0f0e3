// SPDX-License-Identifier: Apache-2.0
#include "evaluate/linear_training.hpp"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.hpp"
#include "comm/world.hpp"
#include "evaluate/batches.hpp"

namespace msn {
namespace {

constexpr double kReferenceBatch = 256;

}  // namespace

double cosine_rate(double peak, std::int64_t step, std::int64_t steps) {
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps)));
}

LinearProbe train_linear_probe(const Communicator& communicator, const FeaturesOf& features, std::int64_t width,
                               std::span<const std::int32_t> labels, int classes, const LinearOptions& options,
                               const std::function<void(const LinearProgress&)>& on_epoch) {
  MSN_CHECK(options.epochs > 0 && options.batch > 0 && !labels.empty());
  const Batches batches(labels.size(), options.batch, options.seed);
  const RowRange mine = share_of_rank(batches.batch(), communicator.rank(), communicator.size());
  const double peak = options.lr * static_cast<double>(batches.batch()) / kReferenceBatch;
  const std::int64_t steps = batches.steps_per_epoch() * options.epochs;

  LinearProbe probe(width, classes, at::kFloat);
  probe.initialise(options.seed);
  const Parameters& parameters = probe.parameters();
  const at::Tensor buffer = at::zeros_like(parameters.values());
  const at::Tensor loss = at::zeros({1}, at::kDouble);
  std::int64_t step = 0;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    LinearProgress progress{epoch + 1, 0, 0};
    for (std::int64_t of_epoch = 0; of_epoch < batches.steps_per_epoch(); ++of_epoch, ++step) {
      parameters.gradients().zero_();
      const std::vector<std::uint64_t> rows =
          batches.rows(static_cast<std::uint64_t>(epoch), of_epoch, mine.begin, mine.end);
      std::vector<std::int32_t> row_labels;
      row_labels.reserve(rows.size());
      for (const std::uint64_t row : rows)
        row_labels.push_back(labels[row]);
      loss.fill_(rows.empty() ? 0
                              : probe.add_gradients(features(static_cast<std::uint64_t>(epoch), rows), row_labels,
                                                    batches.batch()));
      communicator.sum(loss, "loss");
      communicator.sum(parameters.gradients(), "gradients");
      const double mean = loss.item<double>() / static_cast<double>(batches.batch());
      if (!std::isfinite(mean)) {
        throw AgreedError(numerics_error("the loss of the linear probe is not finite",
                                         "epoch " + std::to_string(epoch + 1), "lower the learning rate"));
      }
      progress.loss += mean / static_cast<double>(batches.steps_per_epoch());
      progress.lr = cosine_rate(peak, step, steps);
      sgd_step(parameters, buffer, {progress.lr, options.momentum, options.weight_decay, options.rule});
    }
    if (on_epoch) on_epoch(progress);
  }
  return probe;
}

}  // namespace msn
