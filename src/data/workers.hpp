// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

namespace msn {

/// Cores that this process may run on.
int allowed_cores();

/// Calls run(0) ... run(n - 1) on `workers` threads, started in that order. If any throws, no further index is started
/// and the error of the lowest index that threw is thrown: every lower one was started before it.
void for_each_parallel(std::size_t n, int workers, const std::function<void(std::size_t)>& run);

}  // namespace msn
