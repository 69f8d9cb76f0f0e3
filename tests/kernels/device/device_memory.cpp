// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/device_memory.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>

namespace msn::test {
namespace {

using Space = Kokkos::DefaultExecutionSpace::memory_space;

template <class Of>
auto bytes_at(void* memory, std::size_t bytes) {
  return Kokkos::View<char*, Kokkos::LayoutRight, Of, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(
      static_cast<char*>(memory), bytes);
}

}  // namespace

std::shared_ptr<void> device_memory(std::size_t bytes) {
  void* memory = Kokkos::kokkos_malloc<Space>("test", std::max<std::size_t>(bytes, 1));
  return {memory, [](void* of) { Kokkos::kokkos_free<Space>(of); }};
}

void copy_to_device(void* to, const void* from, std::size_t bytes) {
  Kokkos::fence();
  Kokkos::deep_copy(bytes_at<Space>(to, bytes), bytes_at<Kokkos::HostSpace>(const_cast<void*>(from), bytes));
}

void copy_to_host(void* to, const void* from, std::size_t bytes) {
  Kokkos::fence();
  Kokkos::deep_copy(bytes_at<Kokkos::HostSpace>(to, bytes), bytes_at<Space>(const_cast<void*>(from), bytes));
}

}  // namespace msn::test
