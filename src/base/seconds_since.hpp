// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace msn {

/// Seconds from `began` until now, by the steady clock.
inline double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace msn
