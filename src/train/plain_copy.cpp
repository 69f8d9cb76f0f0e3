// SPDX-License-Identifier: Apache-2.0
#include "train/plain_copy.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>

#include "base/seconds_since.hpp"
#include "train/threads.hpp"

namespace msn {

namespace {

constexpr std::int64_t kLargest = std::int64_t{256} << 20;

/// Calls run(begin, length) for one part of [0, size) on every compute thread.
void for_each_part(std::size_t size, const std::function<void(std::size_t, std::size_t)>& run) {
  const auto parts = static_cast<std::size_t>(at::get_num_threads());
  const auto begin_of = [&](std::size_t part) { return size / parts * part + std::min(part, size % parts); };
  for_each_on_compute_threads(parts,
                              [&](std::size_t part) { run(begin_of(part), begin_of(part + 1) - begin_of(part)); });
}

}  // namespace

PlainCopy::PlainCopy(std::int64_t bytes)
    : size_(static_cast<std::size_t>(std::clamp<std::int64_t>(bytes / 2, 1, kLargest))),
      from_(std::make_unique_for_overwrite<std::byte[]>(size_)),
      to_(std::make_unique_for_overwrite<std::byte[]>(size_)) {
  for_each_part(size_, [&](std::size_t begin, std::size_t length) {
    std::memset(from_.get() + begin, 1, length);
    std::memset(to_.get() + begin, 0, length);
  });
}

void PlainCopy::move(std::int64_t bytes) const {
  for (auto left = static_cast<std::size_t>(bytes / 2); left > 0;) {
    const std::size_t now = std::min(left, size_);
    for_each_part(now, [&](std::size_t begin, std::size_t length) {
      std::memcpy(to_.get() + begin, from_.get() + begin, length);
    });
    left -= now;
  }
}

double copy_rate(const World& world, std::int64_t bytes) {
  constexpr int repeats = 8;
  const PlainCopy copy(bytes);
  double best = 0;
  for (int i = 0; i < repeats; ++i) {
    world.barrier();  // The ranks of a host share its memory: all are at work.
    const auto began = std::chrono::steady_clock::now();
    copy.move(bytes);
    best = std::max(best, static_cast<double>(bytes) / seconds_since(began));
  }
  return best;
}

}  // namespace msn
