// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/world.hpp"
#include "train/placement.hpp"

namespace msn {

/// In seconds.
struct GpuTrialTimes {
  double first_product = 0;  ///< With the loading of the libraries that compute it.
  double product = 0;        ///< Of two matrices of kGpuTrialSide, in float32.
  double sum = 0;            ///< Of 4 MiB over ranks; 0 with one rank.
};
inline constexpr int kGpuTrialSide = 1024;

/// Computes a product of matrices where `placement` computes steps, and a sum over ranks as of gradients, of numbers
/// whose result is known. Throws an agreed usage_error if a rank gets another. All ranks call.
GpuTrialTimes try_gpu(const World& world, Placement& placement);

}  // namespace msn
