// SPDX-License-Identifier: Apache-2.0
// How the images of a batch are read: in the order of the disk, neighbours together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/sample_store.hpp"

namespace msn {

/// One read: several images that lie together in a shard, with what lies between them.
struct ReadRun {
  std::size_t set = 0;
  std::size_t shard = 0;
  std::uint64_t offset = 0;  ///< In the shard's file.
  std::size_t size = 0;      ///< Bytes.
  std::size_t place = 0;     ///< Where they go in the batch's buffer.
  std::size_t first = 0;     ///< Its images are plan.order[first], ..., plan.order[first + count - 1].
  std::size_t count = 0;
};

struct ReadPlan {
  std::vector<ReadRun> runs;
  std::vector<std::size_t> order;  ///< The images to read, by (set, shard, offset).
  std::vector<std::size_t> place;  ///< Where image i begins in the buffer.
  std::size_t bytes = 0;           ///< Size of the buffer.
};

struct ReadLimits {
  std::size_t gap = std::size_t{64} << 10;  ///< Bytes between two images that are read along rather than skipped.
  std::size_t run = std::size_t{4} << 20;   ///< Bytes of a read of more than one image, at most.
};

/// Plans the reads of the images at `extents`, but not of those with size 0; the memory of `plan` serves again.
void plan_reads(std::span<const Extent> extents, ReadPlan& plan, ReadLimits limits = {});

/// Bytes whose memory serves again and is not written first.
class ByteBuffer {
 public:
  /// `size` bytes, whose content is anything.
  std::span<std::byte> resize(std::size_t size);
  std::span<std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace msn
