// SPDX-License-Identifier: Apache-2.0
// From batches in host memory to the step's input on a device, beside the step that is under way.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "config/config.hpp"
#include "data/batch.hpp"
#include "data/views.hpp"
#include "train/device_event.hpp"
#include "train/step.hpp"

namespace msn {

/// Uploads batches, on a stream of its own, and has the device make the views of those that came without rows
/// (ViewsMade::by_device; only where Kokkos computes with that device's memory, and within a KokkosSession). Rows that
/// workers made come over in float32 and are converted on the device.
///
/// A ring of slots holds the inputs. The current stream waits for an upload, and an upload that takes a slot again for
/// the step that read it, so that the next batches come over and become views while a step is under way; the host waits
/// for an upload `slots` batches ago and for nothing else.
class DeviceViews {
 public:
  static constexpr std::size_t slots = 3;

  /// For patches in `type`. `normalisers`: of each data set, for batches without rows.
  DeviceViews(const Config& config, std::span<const Normaliser> normalisers, at::Device device, at::ScalarType type);

  /// The same bits as make_step_input(), for what the current stream is given until the next call. The batch, whose
  /// memory should be host_memory_for() the device, must stay as it is until the device is past the step.
  StepInput input_of(const Batch& batch);

 private:
  struct Group {
    at::Tensor rows;  ///< [images, visible, 3 * patch²]
    at::Tensor keep;
    at::Tensor branch_scale;
    at::Tensor branch_scale_on_host;
  };
  struct Slot {
    explicit Slot(at::Device device) : uploaded(device), read(device) {}
    std::array<Group, 3> groups;  ///< Target, random, focal.
    DeviceEvent uploaded;
    DeviceEvent read;  ///< Behind the step that read it.
  };

  /// `shape` of the tensor's memory, or of new memory if that is too small.
  at::Tensor room(at::Tensor& tensor, at::IntArrayRef shape, at::ScalarType type);
  ViewGroup make_room(Group& group, const ViewRows& rows, std::int64_t samples);
  void upload(const ViewRows& rows, const Group& group, const ViewGroup& into);
  void make_views(const ViewPlan& plan, const std::array<ViewGroup*, 3>& into);

  const Config& config_;
  const at::Device device_;
  const at::ScalarType type_;
  std::optional<c10::Stream> stream_;  ///< Of the uploads; none in host memory.
  at::Tensor levels_;                  ///< [normalisers][3][256], in `type`
  // Of the uploads' stream alone, which is done with them in the order of the batches.
  at::Tensor pixels_, tasks_, taps_, scratch_, float32_;
  std::vector<Slot> slots_;
  std::size_t next_ = 0;
  Slot* last_ = nullptr;
  bool grew_ = false;  ///< room() took new memory.
};

}  // namespace msn
