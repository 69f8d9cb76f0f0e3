// SPDX-License-Identifier: Apache-2.0
// Single images of the training data, and others in place of bad ones.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "data/batch.hpp"
#include "data/decode.hpp"
#include "data/image.hpp"
#include "data/read_plan.hpp"
#include "data/training_data.hpp"

namespace msn {

/// Where the image of a draw lies.
Extent locate(const TrainingData& data, const Draw& draw);

/// Its `size` bytes, or none if they are not in the cache.
std::span<const std::byte> cached(const TrainingData& data, const Draw& draw, std::size_t size);

/// Decodes images one after the other in the same memory. One for each thread.
class SampleReader {
 public:
  static constexpr int most_bad_in_a_row = 16;  ///< More than one replacement after the other: the disk is at fault.

  explicit SampleReader(const TrainingData& data) : data_(data) {}

  /// The image of a draw at index `place` of a batch, from `bytes` if these are good, else read again alone. One that
  /// is bad is replaced by Mixture::replacement of it, and `bad` says so. Valid until the next call. Throws if a shard
  /// cannot be opened or most_bad_in_a_row images are bad in a row.
  const Image& read(const Draw& draw, std::size_t place, std::span<const std::byte> bytes, std::vector<BadSample>& bad);

 private:
  std::span<const std::byte> read_alone(const Extent& extent);

  const TrainingData& data_;
  ByteBuffer bytes_;  ///< Of images that are read one by one.
  Decoder decoder_;
  Image decoded_;
};

}  // namespace msn
