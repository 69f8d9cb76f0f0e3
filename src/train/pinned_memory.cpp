// SPDX-License-Identifier: Apache-2.0
#include "train/pinned_memory.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <mutex>
#include <unordered_map>

namespace msn {
namespace {

class PinnedMemory : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t /*alignment: pages*/) override {
    at::Tensor tensor = at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).pinned_memory(true));
    void* const place = tensor.mutable_data_ptr();
    const std::lock_guard guard(mutex_);
    tensors_.emplace(place, std::move(tensor));
    return place;
  }
  void do_deallocate(void* place, std::size_t /*bytes*/, std::size_t /*alignment*/) override {
    at::Tensor tensor;  // Freed without the lock.
    const std::lock_guard guard(mutex_);
    const auto found = tensors_.find(place);
    tensor = std::move(found->second);
    tensors_.erase(found);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::mutex mutex_;
  std::unordered_map<void*, at::Tensor> tensors_;
};

}  // namespace

std::pmr::memory_resource* host_memory_for(c10::Device device) {
  if (device.is_cpu()) return std::pmr::new_delete_resource();
  static PinnedMemory* const pinned = new PinnedMemory;  // Never freed: at the end of the process CUDA may be gone.
  return pinned;
}

}  // namespace msn
