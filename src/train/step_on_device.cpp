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

// Places in what a step found: the parts of the loss, then
constexpr std::int64_t kNorms = kLossParts;  // two of them,
constexpr std::int64_t kAlive = kNorms + 2;
constexpr std::int64_t kUsed = kAlive + 1;  // and a number for each prototype.

static_assert(offsetof(kernels::UpdateScalars, correction2) == (StepOnDevice::kControls - 2) * sizeof(double));
static_assert(offsetof(kernels::UpdateScalars, alive) == (kernels::kUpdateScalars - 1) * sizeof(double));

}  // namespace

StepOnDevice::StepOnDevice(at::Device device, std::int64_t prototypes)
    : found(at::zeros({kUsed + prototypes}, at::TensorOptions().dtype(at::kDouble).device(device))),
      values_(at::zeros({1 + kernels::kUpdateScalars}, found.options())) {}

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

void StepOnDevice::write(const at::Tensor& parts, const at::Tensor& norms, const at::Tensor& chosen) {
  found.narrow(0, 0, kLossParts).copy_(parts);
  found.narrow(0, kNorms, 2).copy_(norms);
  found.select(0, kAlive).copy_(alive());
  found.narrow(0, kUsed, found.numel() - kUsed).zero_().scatter_(0, chosen, 1);
}

StepReport StepOnDevice::read(const at::Tensor& found) {
  StepReport report;
  report.objective.parts = parts_of(found.narrow(0, 0, kLossParts));
  report.grad_norm = found.const_data_ptr<double>()[kNorms];
  report.finite = found.const_data_ptr<double>()[kAlive] == 1;
  report.prototypes_used = found.narrow(0, kUsed, found.numel() - kUsed).clone();
  return report;
}

}  // namespace msn
