// SPDX-License-Identifier: Apache-2.0
// What a step that its host does not wait for reads and writes beside its input.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/update_scalars.hpp"
#include "objective/schedules.hpp"

namespace msn {

struct StepReport;

/// The first targets' embeddings that a step gives its host: [rows, width]; of none if there are no rows.
struct SampleSize {
  std::int64_t rows = 0;
  std::int64_t width = 0;
};

/// Numbers in the device's memory, always in the same places, so that a captured graph finds the next step's there.
class StepOnDevice {
 public:
  /// float64 numbers that a host writes for each step, one after the other: the sharpening temperature, then the first
  /// five of kernels::UpdateScalars.
  static constexpr std::int64_t kControls = 6;

  StepOnDevice(at::Device device, std::int64_t prototypes, const SampleSize& sample = {});

  /// Has the next step go by `schedule` as the update with this `count`, from 1. `control`, float64 [kControls] in host
  /// memory, is written and copied from; it may be written again once the step is over.
  void set(const at::Tensor& control, const ScheduleValues& schedule, std::int64_t count);
  /// Updates may change the state again, after one that was not finite.
  void revive();

  at::Tensor sharpen() const { return values_.select(0, 0); }                                ///< float64 []
  at::Tensor update() const { return values_.narrow(0, 1, kernels::kUpdateScalars); }        ///< UpdateScalars
  at::Tensor alive() const { return values_.select(0, kernels::kUpdateScalars); }            ///< Of these, [].

  const at::Tensor found;  ///< What the step found, for read(): float64 [n].
  /// `parts` as LossResult::values, `norms` of the gradients, which prototype each target has `chosen`, and of the
  /// targets' embeddings `h` the sample; and alive().
  void write(const at::Tensor& parts, const at::Tensor& norms, const at::Tensor& chosen, const at::Tensor& h);
  /// From a copy of `found` in host memory.
  StepReport read(const at::Tensor& found) const;

 private:
  at::Tensor sample_in(const at::Tensor& found) const;

  at::Tensor values_;
  std::int64_t prototypes_;
  SampleSize sample_;
};

}  // namespace msn
