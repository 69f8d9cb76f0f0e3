// SPDX-License-Identifier: Apache-2.0
// Encoded images kept in memory after their first read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace msn {

/// Thread-safe; holds at most one copy of every image, for good. The caller knows the sizes.
class ByteCache {
 public:
  explicit ByteCache(std::uint64_t samples);
  ~ByteCache();
  ByteCache(const ByteCache&) = delete;
  ByteCache& operator=(const ByteCache&) = delete;

  /// Its first byte, or nullptr if it is not here.
  const std::byte* find(std::uint64_t sample) const { return images_[sample].load(std::memory_order_acquire); }
  /// Keeps a copy, unless there is one already.
  void keep(std::uint64_t sample, std::span<const std::byte> bytes);

 private:
  std::uint64_t samples_;
  std::unique_ptr<std::atomic<const std::byte*>[]> images_;
};

}  // namespace msn
