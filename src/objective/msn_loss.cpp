// SPDX-License-Identifier: Apache-2.0
#include "objective/msn_loss.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

#include <cstddef>
#include <vector>

#include "base/error.hpp"
#include "kernels/prototype_loss.hpp"
#include "kernels/work_times.hpp"
#include "model/gemm.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
#include "objective/sinkhorn.hpp"
#include "objective/torch_loss.hpp"

namespace msn {
namespace {

using kernels::TimedWork;

struct Normalised {
  at::Tensor unit;     ///< x / |x|
  at::Tensor inverse;  ///< 1 / |x|, [rows]
};

template <class T>
Normalised normalise(const at::Tensor& x) {
  const at::Tensor rows = x.contiguous();
  Normalised result{at::empty_like(rows), at::empty({rows.size(0)}, rows.options())};
  kernels::normalise_rows<T>(rows.size(0), rows.size(1), elements<T>(rows), elements<T>(result.unit),
                             elements<T>(result.inverse));
  return result;
}

/// `gradient`, of x / |x|, becomes that of x.
template <class T>
at::Tensor normalise_backward(const at::Tensor& gradient, const Normalised& x) {
  kernels::normalise_rows_backward<T>(gradient.size(0), gradient.size(1), elements<T>(x.unit), elements<T>(x.inverse),
                                      elements<T>(gradient));
  return gradient;
}

kernels::Prediction prediction(const LossConfig& config) {
  return {config.temperature, config.label_smoothing};
}

at::Tensor cosines(const Normalised& x, const Normalised& prototypes) {
  return product(x.unit, prototypes.unit.t()).contiguous();
}

/// What the step and predictions() share.
struct Sharpened {
  at::Tensor predictions;
  double total = 0;  ///< The sum of all.
};

template <class T>
Sharpened sharpen_predictions(const at::Tensor& x, const Normalised& prototypes, double sharpen,
                              const LossConfig& config) {
  Sharpened result{cosines(normalise<T>(x), prototypes)};
  result.total = kernels::sharpened_predictions<T>(result.predictions.size(0), result.predictions.size(1),
                                                   prediction(config), sharpen, elements<T>(result.predictions));
  return result;
}

std::int64_t distinct(const at::Tensor& indices, std::int64_t bound) {
  std::vector<bool> seen(static_cast<std::size_t>(bound));
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < indices.numel(); ++i) {
    auto index = seen[static_cast<std::size_t>(indices.const_data_ptr<std::int64_t>()[i])];
    count += index ? 0 : 1;
    index = true;
  }
  return count;
}

/// Which prototypes the targets of this rank choose, and how surely.
template <class T>
void describe_targets(LossResult& result) {
  const std::int64_t samples = result.targets.size(0), k = result.targets.size(1);
  result.chosen = at::empty({samples}, at::kLong);
  const kernels::Extremes sums =
      kernels::row_extremes<T>(samples, k, elements<T>(result.targets), result.chosen.mutable_data_ptr<std::int64_t>());
  result.parts.prototypes_used = static_cast<double>(distinct(result.chosen, k));
  result.parts.max_target = sums.largest / static_cast<double>(samples);
  result.parts.min_target = sums.smallest / static_cast<double>(samples);
}

template <class T>
LossResult loss_in(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, double sharpen,
                   const LossConfig& config, const at::Tensor& log_prior, const Communicator& communicator) {
  const TimedWork work(kernels::Work::loss);
  const std::int64_t rows = z.size(0), k = prototypes.size(0);
  const auto count = static_cast<double>(rows);
  const Normalised anchors = normalise<T>(z), protos = normalise<T>(prototypes);
  LossResult result;
  LossParts& parts = result.parts;

  // One message: the mean prediction's sums, and the total of the targets for Sinkhorn.
  const at::Tensor message = at::empty({k + 1}, at::kDouble);
  const at::Tensor logits = cosines(anchors, protos);  // Over the temperature they are; later their gradient.
  std::vector<kernels::RowSoftmax<T>> softmax(static_cast<std::size_t>(rows));
  parts.entropy = kernels::anchor_predictions<T>(rows, k, prediction(config), elements<T>(logits), softmax.data(),
                                                 message.mutable_data_ptr<double>()) /
                  count;
  message.narrow(0, 0, k).div_(count);
  const Sharpened sharpened = sharpen_predictions<T>(h, protos, sharpen, config);
  result.sharpened = sharpened.predictions;
  message[k].fill_(sharpened.total);
  communicator.sum(message, "mean prediction");
  const at::Tensor mean_probs = message.narrow(0, 0, k) / communicator.size();
  const at::Tensor log_mean = mean_probs.log();
  const at::Tensor mean_over_prior = log_mean - log_prior;  // In logarithms.
  parts.me_max = (mean_probs * mean_over_prior).sum().item<double>();
  parts.mean_entropy = -(mean_probs * log_mean).sum().item<double>();

  result.targets =
      config.sinkhorn > 0 ? sinkhorn(result.sharpened, message[k], config.sinkhorn, communicator) : result.sharpened;
  describe_targets<T>(result);

  // d me-max / d prediction = log(mean / prior) + 1.
  const at::Tensor slopes = (mean_over_prior + 1).mul_(config.me_max).to(prototypes.scalar_type());
  const kernels::AnchorLoss<T> loss{elements<T>(result.targets), result.targets.size(0), elements<T>(slopes),
                                    config.entropy, 1 / count};
  parts.cross_entropy =
      kernels::anchor_gradients<T>(rows, k, prediction(config), loss, softmax.data(), elements<T>(logits)) / count;
  parts.loss = parts.cross_entropy + config.me_max * parts.me_max + config.entropy * parts.entropy;

  result.values = values_of(parts);

  result.dz = normalise_backward<T>(product(logits, protos.unit).contiguous(), anchors);
  result.dprototypes = normalise_backward<T>(product(logits.t(), anchors.unit).contiguous(), protos);
  return result;
}

}  // namespace

namespace {

bool in_rows(const at::Tensor& x) {
  return kernel_form(x) == KernelForm::rows;
}

/// The temperature of the targets where the device reads it.
at::Tensor on_device_of(const at::Tensor& x, double sharpen) {
  return at::full({}, sharpen, x.options().dtype(at::kDouble));
}

}  // namespace

LossResult msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, double sharpen,
                    const LossConfig& config, const at::Tensor& log_prior, const Communicator& communicator) {
  if (!in_rows(z)) return msn_loss(z, h, prototypes, on_device_of(z, sharpen), config, log_prior, communicator);
  MSN_CHECK(z.size(0) % h.size(0) == 0);
  MSN_CHECK(log_prior.numel() == prototypes.size(0));
  return z.scalar_type() == at::kFloat ? loss_in<float>(z, h, prototypes, sharpen, config, log_prior, communicator)
                                       : loss_in<double>(z, h, prototypes, sharpen, config, log_prior, communicator);
}

LossResult msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, const at::Tensor& sharpen,
                    const LossConfig& config, const at::Tensor& log_prior, const Communicator& communicator) {
  if (in_rows(z)) return msn_loss(z, h, prototypes, sharpen.item<double>(), config, log_prior, communicator);
  MSN_CHECK(z.size(0) % h.size(0) == 0);
  MSN_CHECK(log_prior.numel() == prototypes.size(0));
  LossResult result = torch_msn_loss(z, h, prototypes, sharpen, config, log_prior, communicator);
  if (result.values.is_cpu()) result.parts = parts_of(result.values);
  return result;
}

at::Tensor predictions(const at::Tensor& x, const at::Tensor& prototypes, double sharpen, const LossConfig& config) {
  if (!in_rows(x)) return torch_predictions(x, prototypes, on_device_of(x, sharpen), config);
  return x.scalar_type() == at::kFloat
             ? sharpen_predictions<float>(x, normalise<float>(prototypes), sharpen, config).predictions
             : sharpen_predictions<double>(x, normalise<double>(prototypes), sharpen, config).predictions;
}

}  // namespace msn
