// SPDX-License-Identifier: Apache-2.0
#include "train/views_on.hpp"

#include "base/error.hpp"

namespace msn {

ViewsMade views_made(ViewsOn choice, bool run_on_gpu, bool kokkos_on_gpu) {
  const bool possible = run_on_gpu && kokkos_on_gpu;
  switch (choice) {
    case ViewsOn::automatic:
      return possible ? ViewsMade::by_device : ViewsMade::by_workers;
    case ViewsOn::host:
      return ViewsMade::by_workers;
    case ViewsOn::device:
      if (possible) return ViewsMade::by_device;
      if (!run_on_gpu) {
        throw config_error("views_on = \"device\", but this run computes on processors", "runtime.views_on",
                           "take \"auto\" or \"host\", or train on a GPU");
      }
      throw config_error("views_on = \"device\", but the Kokkos of this build has no CUDA", "runtime.views_on",
                         "take \"auto\" or \"host\", or build msn with a Kokkos that has CUDA (set Kokkos_ROOT)");
  }
  throw internal_error("a place for views without a rule");
}

}  // namespace msn
