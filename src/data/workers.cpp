// SPDX-License-Identifier: Apache-2.0
#include "data/workers.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace msn {

int allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

void for_each_parallel(std::size_t n, int workers, const std::function<void(std::size_t)>& run) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error;
  std::size_t error_index = std::numeric_limits<std::size_t>::max();
  const auto work = [&] {
    while (!failed) {
      const std::size_t index = next++;
      if (index >= n) return;
      try {
        run(index);
      } catch (...) {
        const std::lock_guard guard(mutex);
        failed = true;
        if (index < error_index) {
          error_index = index;
          error = std::current_exception();
        }
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 1; i < workers; ++i)
      threads.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace msn
