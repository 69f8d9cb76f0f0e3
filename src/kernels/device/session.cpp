// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/session.hpp"

#include <Kokkos_Core.hpp>
#include <list>
#include <memory>
#include <type_traits>
#include <utility>

#include "kernels/device/launch.hpp"

namespace msn::kernels::device {
namespace {

/// Whether Kokkos on the host adds no threads to those of OpenMP, which LibTorch computes with.
constexpr bool host_space_has_no_pool_of_its_own() {
  using Host = Kokkos::DefaultHostExecutionSpace;
  bool known = false;
#if defined(KOKKOS_ENABLE_SERIAL)
  known = known || std::is_same_v<Host, Kokkos::Serial>;
#endif
#if defined(KOKKOS_ENABLE_OPENMP)
  known = known || std::is_same_v<Host, Kokkos::OpenMP>;
#endif
  return known;
}
static_assert(host_space_has_no_pool_of_its_own(), "build Kokkos with Serial or OpenMP as its host back end");

/// An execution space of a stream has memory of its own, which is taken when it is made and waited for when it goes: so
/// each stream has one for the length of the session.
struct Spaces {
  std::list<std::pair<Queue, Space>> of_queue;
};

// Kokkos is one a process, whoever holds the session.
std::unique_ptr<Spaces>& spaces() {
  static std::unique_ptr<Spaces> held;
  return held;
}

void start([[maybe_unused]] int gpu) {
#if KOKKOS_VERSION >= 30700
  Kokkos::InitializationSettings settings;
  if (kOnGpu) settings.set_device_id(gpu);
  settings.set_disable_warnings(true);
#else
  Kokkos::InitArguments settings;
  if (kOnGpu) settings.device_id = gpu;
  settings.disable_warnings = true;
#endif
  Kokkos::initialize(settings);
}

Space make_space([[maybe_unused]] Queue queue) {
#if defined(KOKKOS_ENABLE_CUDA)
  return Space(static_cast<cudaStream_t>(queue));
#else
  return Space();
#endif
}

}  // namespace

KokkosSession::KokkosSession(int gpu) {
  static bool begun = false;
  if (begun) throw internal_error("a second session of Kokkos in this process");
  begun = true;
  start(gpu);
  spaces() = std::make_unique<Spaces>();
}

KokkosSession::~KokkosSession() {
  spaces().reset();
  Kokkos::finalize();
}

const Space& space_of(Queue queue) {
  if (spaces() == nullptr) throw internal_error("a kernel of Kokkos outside of its session");
  auto& held = spaces()->of_queue;
  for (const auto& [key, space] : held) {
    if (key == queue) return space;
  }
  return held.emplace_back(queue, make_space(queue)).second;
}

void prepare(Queue queue) {
  space_of(queue);
}

}  // namespace msn::kernels::device
