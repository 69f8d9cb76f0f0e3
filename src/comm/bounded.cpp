// SPDX-License-Identifier: Apache-2.0
#include "comm/bounded.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

namespace msn {

bool run_bounded(std::chrono::milliseconds limit, std::function<void()> work) {
  const auto done = std::make_shared<std::atomic<bool>>(false);
  try {
    std::thread([done, work = std::move(work)] {
      try {
        work();
      } catch (...) {
        // Whoever waits has something more important to say.
      }
      done->store(true);
    }).detach();
  } catch (const std::exception&) {
    return false;  // No thread is to be had.
  }
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done->load()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace msn
