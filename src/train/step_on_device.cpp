// SPDX-License-Identifier: Apache-2.0
#include "train/step_on_device.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cstddef>

#include "base/error.hpp"
#include "objective/loss_parts.hpp"
#include "train/device_optimizer.hpp"
#include "train/step.hpp"

namespace msn {
namespace {

// Places in what a step found: the numbers of the objective, then
constexpr std::int64_t kNorms = kLossValues;  // two of them,
constexpr std::int64_t kAlive = kNorms + 2;
constexpr std::int64_t kUsed = kAlive + 1;  // a number for each prototype, and the sampled embeddings.

static_assert(offsetof(kernels::UpdateScalars, correction2) == (StepOnDevice::kControls - 2) * sizeof(double));
static_assert(offsetof(kernels::UpdateScalars, alive) == (kernels::kUpdateScalars - 1) * sizeof(double));

}  // namespace

StepOnDevice::StepOnDevice(at::Device device, std::int64_t prototypes, const SampleSize& sample)
    : found(at::zeros({kUsed + prototypes + sample.rows * sample.width},
                      at::TensorOptions().dtype(at::kDouble).device(device))),
      values_(at::zeros({1 + kernels::kUpdateScalars}, found.options())),
      prototypes_(prototypes),
      sample_(sample) {}

void StepOnDevice::set(const at::Tensor& control, const ScheduleValues& schedule, std::int64_t count) {
  MSN_CHECK(control.is_cpu() && control.numel() == kControls);
  const kernels::UpdateScalars update = update_scalars(schedule, count);
  double* to = control.mutable_data_ptr<double>();
  for (const double value : {schedule.sharpen, update.lr, update.weight_decay, update.ema_momentum, update.correction1,
                             update.correction2})
    *to++ = value;
  values_.narrow(0, 0, kControls).copy_(control, /*non_blocking=*/true);
}

void StepOnDevice::revive() {
  alive().fill_(1);
}

void StepOnDevice::write(const at::Tensor& parts, const at::Tensor& norms, const at::Tensor& chosen,
                         const at::Tensor& h) {
  found.narrow(0, 0, kLossValues).copy_(parts);
  found.narrow(0, kNorms, 2).copy_(norms);
  found.select(0, kAlive).copy_(alive());
  found.narrow(0, kUsed, prototypes_).zero_().scatter_(0, chosen, 1);
  if (sample_.rows > 0) sample_in(found).copy_(h.narrow(0, 0, sample_.rows));
}

at::Tensor StepOnDevice::sample_in(const at::Tensor& found) const {
  return found.narrow(0, kUsed + prototypes_, sample_.rows * sample_.width).view({sample_.rows, sample_.width});
}

StepReport StepOnDevice::read(const at::Tensor& found) const {
  StepReport report;
  report.objective.parts = parts_of(found.narrow(0, 0, kLossValues));
  report.grad_norm = found.const_data_ptr<double>()[kNorms];
  report.finite = found.const_data_ptr<double>()[kAlive] == 1;
  report.prototypes_used = found.narrow(0, kUsed, prototypes_).clone();
  if (sample_.rows > 0) report.h = sample_in(found).clone();
  return report;
}

}  // namespace msn
