// SPDX-License-Identifier: Apache-2.0
// Where the views of a run are made.
#pragma once

#include "config/config.hpp"
#include "data/batch.hpp"

namespace msn {

/// runtime.views_on for a run whose steps are computed on a GPU or not, in a build whose Kokkos computes on GPUs or
/// not. `auto` is the device if it can be. Throws config_error for a device that cannot.
ViewsMade views_made(ViewsOn choice, bool run_on_gpu, bool kokkos_on_gpu);

}  // namespace msn
