// SPDX-License-Identifier: Apache-2.0
// A plain copy in memory, which what moves much memory is compared with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "comm/world.hpp"

namespace msn {

/// Copies from one buffer to another with all compute threads.
class PlainCopy {
 public:
  /// For move(bytes): each buffer holds half of them, at most 256 MiB, and lies near the threads that copy it.
  explicit PlainCopy(std::int64_t bytes);

  /// Reads and writes `bytes` together, half of them each, over the buffers again if these are shorter.
  void move(std::int64_t bytes) const;

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> from_, to_;
};

/// Bytes a second that this rank reads and writes in a plain copy of `bytes` together, while all ranks copy: the most
/// of several. All ranks call.
double copy_rate(const World& world, std::int64_t bytes);

}  // namespace msn
