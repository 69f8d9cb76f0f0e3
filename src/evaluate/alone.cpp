// SPDX-License-Identifier: Apache-2.0
#include "evaluate/alone.hpp"

#include <algorithm>
#include <exception>
#include <vector>

#include "train/threads.hpp"

namespace msn {

void for_each_alone(std::size_t n, const std::function<void(std::size_t)>& run) {
  std::vector<std::exception_ptr> failures(n);
  // LibTorch opens no parallel region for a single index, which would then have all threads to itself.
  for_each_on_compute_threads(std::max<std::size_t>(n, 2), [&](std::size_t i) {
    if (i >= n) return;
    try {
      run(i);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace msn
