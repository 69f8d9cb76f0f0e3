// SPDX-License-Identifier: Apache-2.0
#include "train/device_views.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/accumulate.h>

#include "base/error.hpp"
#include "kernels/device/views.hpp"
#include "model/device_queue.hpp"
#include "model/kernel_types.hpp"
#include "train/batch_tensors.hpp"

namespace msn {
namespace {

/// Has the current stream copy what lies in host memory into `to`.
void copy_from_host(const void* from, const at::Tensor& to) {
  // from_blob wants pointers to what it may write; nothing here writes.
  to.copy_(at::from_blob(const_cast<void*>(from), to.sizes(), to.options().device(at::kCPU)), /*non_blocking=*/true);
}

std::int64_t count(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

}  // namespace

DeviceViews::DeviceViews(const Config& config, std::span<const Normaliser> normalisers, at::Device device,
                         at::ScalarType type)
    : config_(config), device_(device), type_(type) {
  if (!device.is_cpu()) stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  for (std::size_t i = 0; i < slots; ++i)
    slots_.emplace_back(device);
  std::vector<float> levels;
  for (const Normaliser& normaliser : normalisers)
    levels.insert(levels.end(), normaliser.levels().begin(), normaliser.levels().end());
  levels_ = at::from_blob(levels.data(), {count(levels.size())}, at::kFloat).to(type, false, true).to(device);
}

at::Tensor DeviceViews::room(at::Tensor& tensor, at::IntArrayRef shape, at::ScalarType type) {
  const std::int64_t needed = c10::multiply_integers(shape);
  if (!tensor.defined() || tensor.numel() < needed) {
    tensor = at::empty({needed + needed / 4}, at::TensorOptions(device_).dtype(type));
    grew_ = true;
  }
  return tensor.narrow(0, 0, needed).view(shape);
}

ViewGroup DeviceViews::make_room(Group& group, const ViewRows& rows, std::int64_t samples) {
  ViewGroup into;
  if (rows.views == 0) return into;
  const std::int64_t images = rows.views * samples;
  const std::int64_t values = std::int64_t{3} * config_.model.patch_size * config_.model.patch_size;
  into.grid = rows.grid;
  into.patches = room(group.rows, {images, rows.visible, values}, type_);
  const std::int64_t kept = count(rows.keep.size());
  if (kept == 0) return into;
  into.keep =
      kept == rows.visible ? room(group.keep, {kept}, at::kLong) : room(group.keep, {images, rows.visible}, at::kLong);
  return into;
}

void DeviceViews::upload(const ViewRows& rows, const Group& group, const ViewGroup& into) {
  if (!into.patches.defined()) return;
  if (into.keep.defined()) copy_from_host(rows.keep.data(), into.keep);
  if (into.branch_scale.defined()) into.branch_scale.copy_(group.branch_scale_on_host, /*non_blocking=*/true);
  if (rows.rows.empty()) return;
  if (type_ == at::kFloat) return copy_from_host(rows.rows.data(), into.patches);
  const at::Tensor as_made = room(float32_, into.patches.sizes(), at::kFloat);
  copy_from_host(rows.rows.data(), as_made);
  into.patches.copy_(as_made);
}

void DeviceViews::make_views(const ViewPlan& plan, const std::array<ViewGroup*, 3>& into) {
  const at::Tensor pixels = room(pixels_, {count(plan.pixels.end())}, at::kByte);
  for (const PixelBlocks::Block& block : plan.pixels.blocks())
    copy_from_host(block.bytes.data(), pixels.narrow(0, count(block.offset), count(block.bytes.size())));
  const at::Tensor tasks = room(tasks_, {count(plan.tasks.size() * sizeof(kernels::device::ViewTask))}, at::kByte);
  copy_from_host(plan.tasks.data(), tasks);
  const at::Tensor taps = room(taps_, {count(plan.taps.size())}, at::kInt);
  copy_from_host(plan.taps.data(), taps);
  const at::Tensor scratch = room(scratch_, {count(plan.scratch_bytes)}, at::kByte);
  with_type(type_, [&](auto element) {
    using T = decltype(element);
    kernels::device::ViewTargets<T> targets;
    for (std::size_t g = 0; g < targets.size(); ++g) {
      const ViewGroup& group = *into[g];
      if (!group.patches.defined()) continue;
      const std::int64_t visible = group.patches.size(1);
      targets[g] = {elements<T>(group.patches), elements<std::int64_t>(group.keep),
                    group.keep.defined() && group.keep.dim() == 2 ? visible : 0, static_cast<std::int32_t>(visible)};
    }
    const kernels::device::ViewSource<T> source{
        elements<std::uint8_t>(pixels),
        reinterpret_cast<const kernels::device::ViewTask*>(elements<std::uint8_t>(tasks)),
        static_cast<std::int32_t>(plan.tasks.size()), elements<std::int32_t>(taps), elements<T>(levels_)};
    kernels::device::make_views<T>(source, config_.model.patch_size, targets, elements<std::uint8_t>(scratch),
                                   device_queue(pixels));
  });
}

StepInput DeviceViews::input_of(const Batch& batch) {
  if (last_ != nullptr) last_->read.record();
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % slots;
  slot.uploaded.wait();  // Its memory on the host is written anew.

  StepInput input;
  grew_ = false;
  const std::array<ViewGroup*, 3> into{&input.target, &input.random, &input.focal};
  const std::array<const ViewRows*, 3> rows{&batch.target, &batch.random, &batch.focal};
  int first_view = 0;
  for (std::size_t g = 0; g < into.size(); ++g) {
    Group& group = slot.groups[g];
    *into[g] = make_room(group, *rows[g], count(batch.samples.size()));
    const at::Tensor factors = g == 0 ? at::Tensor() : branch_scale(batch, config_, first_view, rows[g]->views, type_);
    if (factors.defined()) {
      if (!group.branch_scale_on_host.defined()) {
        group.branch_scale_on_host = at::empty(factors.sizes(), factors.options().pinned_memory(!device_.is_cpu()));
      }
      group.branch_scale_on_host.copy_(factors);
      into[g]->branch_scale = room(group.branch_scale, factors.sizes(), factors.scalar_type());
    }
    first_view += rows[g]->views;
  }
  if (grew_) slot.read.record();  // The current stream may still use what its memory was before.
  {
    const c10::OptionalStreamGuard on_stream(stream_);
    slot.read.block();
    for (std::size_t g = 0; g < into.size(); ++g)
      upload(*rows[g], slot.groups[g], *into[g]);
    if (!batch.plan.tasks.empty()) make_views(batch.plan, into);
    slot.uploaded.record();
  }
  slot.uploaded.block();
  last_ = &slot;
  return input;
}

}  // namespace msn
