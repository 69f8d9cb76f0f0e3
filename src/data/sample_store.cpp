// SPDX-License-Identifier: Apache-2.0
#include "data/sample_store.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/inject.hpp"

namespace msn {

SampleStore::SampleStore(const std::filesystem::path& folder)
    : folder_(folder), manifest_(read_dataset_manifest(folder)) {
  std::uint64_t first = 0;
  for (const ShardEntry& entry : manifest_.shards) {
    first_.push_back(first);
    first += entry.count;
  }
  index_ = std::make_unique<Index[]>(manifest_.shards.size());
}

SampleStore::Place SampleStore::place_of(std::uint64_t sample) const {
  MSN_CHECK(sample < manifest_.count);
  const auto after = std::upper_bound(first_.begin(), first_.end(), sample);
  const auto shard = static_cast<std::size_t>(after - first_.begin()) - 1;
  return {shard, sample - first_[shard]};
}

Extent SampleStore::locate(std::uint64_t sample) const {
  const Place place = place_of(sample);
  Index& index = index_[place.shard];
  const std::lock_guard guard(index.mutex);
  if (index.checksum.empty()) {
    const Shard shard = open_shard(folder_, manifest_.shards[place.shard], manifest_.classes.size());
    std::vector<std::uint64_t> bounds{shard.position_of(0)};
    std::vector<std::uint32_t> checksum;
    bounds.reserve(shard.count() + 1);
    checksum.reserve(shard.count());
    for (std::size_t i = 0; i < shard.count(); ++i) {
      bounds.push_back(bounds.back() + shard.size_of(i));
      checksum.push_back(shard.checksum(i));
    }
    index.bounds = std::move(bounds);
    index.checksum = std::move(checksum);
  }
  const std::uint64_t begin = index.bounds[place.index];
  return {0, place.shard, begin, index.bounds[place.index + 1] - begin, index.checksum[place.index]};
}

std::shared_ptr<const FileHandle> SampleStore::file_of(std::size_t shard) const {
  const std::lock_guard guard(files_mutex_);
  const auto found =
      std::find_if(files_.begin(), files_.end(), [&](const OpenFile& file) { return file.first == shard; });
  if (found != files_.end()) {
    files_.splice(files_.begin(), files_, found);
    return found->second;
  }
  if (files_.size() >= most_open_files) files_.pop_back();
  auto handle = std::make_shared<const FileHandle>(folder_ / manifest_.shards[shard].file, O_RDONLY | O_NOFOLLOW);
  files_.emplace_front(shard, handle);
  return handle;
}

void SampleStore::will_need(std::size_t shard, std::uint64_t offset, std::size_t size) const {
  // Advice only: whether the file system takes it does not matter.
  ::posix_fadvise(file_of(shard)->get(), static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED);
}

void SampleStore::read(std::size_t shard, std::uint64_t offset, std::span<std::byte> into) const {
  inject("shard-read", 0);
  file_of(shard)->read_at(into, offset);
}

std::string SampleStore::describe(std::uint64_t sample) const {
  const Place place = place_of(sample);
  const std::filesystem::path file = folder_ / manifest_.shards[place.shard].file;
  std::string name;
  try {
    name = Shard(file).names().at(place.index) + ", ";
  } catch (const std::exception&) {
    // Then the number has to do.
  }
  return "sample " + std::to_string(sample) + " (" + name + "image " + std::to_string(place.index) + " of " +
         file.string() + ")";
}

std::size_t SampleStore::shards_opened() const {
  std::size_t opened = 0;
  for (std::size_t shard = 0; shard < manifest_.shards.size(); ++shard) {
    const std::lock_guard guard(index_[shard].mutex);
    opened += !index_[shard].checksum.empty();
  }
  return opened;
}

}  // namespace msn
