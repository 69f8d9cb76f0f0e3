// SPDX-License-Identifier: Apache-2.0
// Arrays where Kokkos computes, for tests of its kernels: on a GPU or in host memory, by the same source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/bf16.hpp"

namespace msn::test {

/// Memory of the device; freed with the last copy of the pointer, which the session of Kokkos must outlive.
std::shared_ptr<void> device_memory(std::size_t bytes);
/// Both wait until all kernels are done.
void copy_to_device(void* to, const void* from, std::size_t bytes);
void copy_to_host(void* to, const void* from, std::size_t bytes);

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(static_cast<std::int64_t>(values.size())) {
    copy_to_device(memory_.get(), values.data(), size_ * sizeof(T));
  }
  /// Not initialised.
  explicit DeviceArray(std::int64_t size)
      : size_(static_cast<std::size_t>(size)), memory_(device_memory(size_ * sizeof(T))) {}

  T* data() const { return static_cast<T*>(memory_.get()); }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    copy_to_host(values.data(), memory_.get(), size_ * sizeof(T));
    return values;
  }

 private:
  std::size_t size_;
  std::shared_ptr<void> memory_;
};

}  // namespace msn::test
