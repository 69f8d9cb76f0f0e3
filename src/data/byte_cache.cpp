// SPDX-License-Identifier: Apache-2.0
#include "data/byte_cache.hpp"

#include <algorithm>

namespace msn {

ByteCache::ByteCache(std::uint64_t samples)
    : samples_(samples), images_(std::make_unique<std::atomic<const std::byte*>[]>(samples)) {}

ByteCache::~ByteCache() {
  for (std::uint64_t sample = 0; sample < samples_; ++sample)
    delete[] images_[sample].load();
}

void ByteCache::keep(std::uint64_t sample, std::span<const std::byte> bytes) {
  if (find(sample) != nullptr) return;
  auto copy = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  const std::byte* nothing = nullptr;
  if (images_[sample].compare_exchange_strong(nothing, copy.get(), std::memory_order_release)) copy.release();
}

}  // namespace msn
