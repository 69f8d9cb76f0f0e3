// SPDX-License-Identifier: Apache-2.0
// Work that is shared over threads without a bit depending on how: it is cut into parts by its own size alone, and each
// part is computed on one thread.
#pragma once

#include <cstddef>
#include <functional>

namespace msn {

/// Calls run(i) for i in [0, n) on the compute threads, each on one thread alone: what would share its own work over
/// threads finds itself within a parallel region, and does not. From the main thread only. Throws what the lowest i
/// threw, once all have ended.
void for_each_alone(std::size_t n, const std::function<void(std::size_t)>& run);

}  // namespace msn
