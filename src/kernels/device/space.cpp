// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/space.hpp"

#include <Kokkos_Core.hpp>
#include <type_traits>

namespace msn::kernels::device {

bool computes_on_gpu() {
  return !std::is_same_v<Kokkos::DefaultExecutionSpace, Kokkos::DefaultHostExecutionSpace>;
}

std::string space_name() {
  constexpr int version = KOKKOS_VERSION;
  return "Kokkos " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100) + ", " + Kokkos::DefaultExecutionSpace::name();
}

}  // namespace msn::kernels::device
