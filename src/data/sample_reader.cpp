// SPDX-License-Identifier: Apache-2.0
#include "data/sample_reader.hpp"

#include <string>

#include "base/crc32c.hpp"
#include "base/error.hpp"

namespace msn {

Extent locate(const TrainingData& data, const Draw& draw) {
  Extent extent = data.sets[draw.set].store->locate(draw.index);
  extent.set = draw.set;
  return extent;
}

std::span<const std::byte> cached(const TrainingData& data, const Draw& draw, std::size_t size) {
  const ByteCache* cache = data.sets[draw.set].cache.get();
  const std::byte* bytes = cache != nullptr ? cache->find(draw.index) : nullptr;
  if (bytes == nullptr) return {};
  return {bytes, size};
}

const Image& SampleReader::read(const Draw& draw, std::size_t place, std::span<const std::byte> bytes,
                                std::vector<BadSample>& bad) {
  Draw taken = draw;
  const SampleStore& store = *data_.sets[draw.set].store;
  Extent extent = locate(data_, taken);
  while (true) {
    std::string reason;
    try {
      if (bytes.empty() || crc32c(bytes) != extent.checksum) bytes = read_alone(extent);
      decoder_.decode(bytes, decoded_);
      if (ByteCache* cache = data_.sets[draw.set].cache.get()) cache->keep(taken.index, bytes);
      return decoded_;
    } catch (const Error& error) {
      if (error.code() != ExitCode::data) throw;
      reason = error.problem();
    }
    if (bad.size() + 1 >= most_bad_in_a_row) {
      throw data_error(std::to_string(bad.size() + 1) + " images in a row are bad, the last one because " + reason,
                       store.describe(taken.index), "look at the disk; copy the shards again or pack the images again");
    }
    const std::uint64_t replacement = data_.mixture.replacement(taken);
    bad.push_back({place, taken.index, replacement, store.describe(taken.index), reason});
    taken.index = replacement;
    extent = locate(data_, taken);
    bytes = cached(data_, taken, extent.size);
  }
}

std::span<const std::byte> SampleReader::read_alone(const Extent& extent) {
  const std::span<std::byte> bytes = bytes_.resize(extent.size);
  data_.sets[extent.set].store->read(extent.shard, extent.offset, bytes);
  if (crc32c(bytes) != extent.checksum) throw data_error("the image is damaged: its checksum is wrong");
  return bytes;
}

}  // namespace msn
