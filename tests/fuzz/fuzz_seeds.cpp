// SPDX-License-Identifier: Apache-2.0
// fuzz_seeds AUGMENT.h5 FOLDER: writes what the fuzz targets begin with. FOLDER/decode holds the small images of the
// golden file, whole and broken ones; FOLDER/shard holds small shards.
#include <fcntl.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/hdf5.hpp"
#include "data/shard.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_seed = std::size_t{1} << 15;

std::vector<msn::ShardItem> write_images(const fs::path& golden, const fs::path& folder) {
  const msn::h5::File file(golden, msn::h5::Mode::read);
  const auto all = file.read<std::uint8_t>("image/bytes");
  const auto offset = file.read<std::uint64_t>("image/offset");
  const auto names = file.read_strings("image/name");
  std::vector<msn::ShardItem> items;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto bytes = std::as_bytes(std::span(all)).subspan(offset[i], offset[i + 1] - offset[i]);
    if (bytes.size() > max_seed) continue;
    msn::FileHandle(folder / names[i], O_WRONLY | O_CREAT | O_TRUNC).write_at(bytes, 0);
    if (bytes.empty()) continue;
    msn::ShardItem& item = items.emplace_back();
    item.bytes.assign(bytes.begin(), bytes.end());
    item.label = static_cast<std::int32_t>(i);
    item.width = item.height = 8;
    item.name = names[i];
  }
  return items;
}

/// Images of a few bytes: the structure is what is to be changed, not they.
std::vector<msn::ShardItem> shortened(std::vector<msn::ShardItem> items, std::size_t count) {
  items.resize(count);
  for (msn::ShardItem& item : items)
    item.bytes.resize(8);
  return items;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fuzz_seeds AUGMENT.h5 FOLDER\n");
    return 2;
  }
  const fs::path folder = argv[2];
  fs::create_directories(folder / "decode");
  fs::create_directories(folder / "shard");
  const auto items = write_images(argv[1], folder / "decode");
  msn::write_shard(folder / "shard" / "one.h5", shortened(items, 1), {});
  msn::write_shard(folder / "shard" / "many.h5", shortened(items, 5), {});
  msn::write_shard(folder / "shard" / "left_out.h5", shortened(items, 2), {{"a.jpg", "empty"}, {"b.jpg", "truncated"}});
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
  return 1;
}
