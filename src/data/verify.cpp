// SPDX-License-Identifier: Apache-2.0
#include "data/verify.hpp"

#include <fcntl.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/utf8.hpp"
#include "data/decode.hpp"
#include "data/sources.hpp"
#include "data/workers.hpp"

namespace msn {

namespace fs = std::filesystem;

void Problems::add(std::string line) {
  ++count_;
  if (lines_.size() < limit_) lines_.push_back(std::move(line));
}

void Problems::append(const Problems& other) {
  for (const std::string& line : other.lines())
    add(line);
  add_unnamed(other.count() - other.lines().size());
}

namespace {

std::string not_but(std::uint64_t found, std::uint64_t expected) {
  return std::to_string(found) + ", not " + std::to_string(expected);
}

/// Flags that say what the header says.
constexpr int header_flags = flag_png | flag_gray | flag_cmyk | flag_oriented;

int flags_of(const ImageFacts& facts) {
  const bool png = facts.format == ImageFormat::png;
  return (png ? flag_png : 0) | (facts.components <= 2 ? flag_gray : 0) |
         (!png && facts.components == 4 ? flag_cmyk : 0) | (facts.orientation > 1 ? flag_oriented : 0);
}

/// What is wrong with an image, or nothing. `bytes` as they are in the file.
std::string look_at_image(const Shard& shard, std::size_t index, std::span<const std::byte> bytes, VerifyDepth depth) {
  const ImageFacts facts = probe(bytes);
  const std::string size = std::to_string(facts.width) + " x " + std::to_string(facts.height);
  if (facts.width != shard.width(index) || facts.height != shard.height(index)) {
    return "its header says " + size + " pixels, the index " + std::to_string(shard.width(index)) + " x " +
           std::to_string(shard.height(index));
  }
  if (const int flags = shard.flags(index) & header_flags; flags != flags_of(facts)) {
    return "its header gives the flags " + std::to_string(flags_of(facts)) + ", the index says " +
           std::to_string(flags);
  }
  if (depth == VerifyDepth::pixels) {
    const Image image = decode(bytes);
    if (image.width != facts.width || image.height != facts.height) {
      return "it decodes to " + std::to_string(image.width) + " x " + std::to_string(image.height) + " pixels, not " +
             size;
    }
  }
  return {};
}

/// Fills hashes and bytes.
void check_images(const Shard& shard, const std::vector<std::string>& names, std::size_t classes,
                  const VerifyOptions& options, ShardCheck& check) {
  std::vector<std::string> problem(shard.count());
  check.hashes.resize(shard.count());
  std::mutex mutex;
  std::uint64_t done = 0;
  for_each_parallel(shard.count(), options.workers, [&](std::size_t i) {
    try {
      const std::vector<std::byte> bytes = shard.read(i);
      check.hashes[i] = hash_128(bytes);
      problem[i] = look_at_image(shard, i, bytes, options.depth);
    } catch (const Error& error) {
      problem[i] = error.problem();
    }
    if (!options.progress) return;
    const std::lock_guard guard(mutex);
    options.progress(++done);
  });
  for (std::size_t i = 0; i < shard.count(); ++i) {
    const std::string name = i < names.size() ? " (" + one_line(names[i]) + ")" : std::string();
    const std::string image = shard.path().string() + ": image " + std::to_string(i) + name + ": ";
    if (!problem[i].empty()) check.problems.add(image + problem[i]);
    if (const std::int32_t label = shard.label(i); label < -1 || label >= static_cast<std::int64_t>(classes)) {
      check.problems.add(image + "its label is " + std::to_string(label) + ", there are " + std::to_string(classes) +
                         " classes");
    }
    check.whole = check.whole && check.hashes[i] != Hash128{};
    check.bytes += shard.size_of(i);
  }
}

/// The file as a whole, without looking into it.
void check_file(const fs::path& file, const ShardEntry& entry, Problems& problems) {
  if (const std::uint64_t size = fs::file_size(file); size != entry.size) {
    problems.add(file.string() + ": the file has " + not_but(size, entry.size) + " bytes as dataset.json says");
  } else if (hash_file(file) != entry.hash) {
    problems.add(file.string() + ": the file is damaged: its hash is not that of dataset.json");
  }
}

bool check_names(const Shard& shard, const std::vector<std::string>& names, Problems& problems) {
  if (names.size() != shard.count()) {
    problems.add(shard.path().string() + ": the shard has " + std::to_string(names.size()) + " names for " +
                 std::to_string(shard.count()) + " images");
    return false;
  }
  const auto bad = std::find_if_not(names.begin(), names.end(), is_utf8);
  if (bad == names.end()) return true;
  problems.add(shard.path().string() + ": image " + std::to_string(bad - names.begin()) + ": its name is not UTF-8");
  return false;
}

}  // namespace

ShardCheck check_shard(const fs::path& folder, const ShardEntry& entry, std::size_t classes,
                       const VerifyOptions& options) {
  ShardCheck check{Problems(options.limit), false, {}, 0};
  const fs::path file = folder / entry.file;
  const auto try_to = [&](const std::function<void()>& look) {
    try {
      look();
      return true;
    } catch (const Error& error) {
      check.problems.add(file.string() + ": " + error.problem());
    } catch (const std::exception& error) {
      check.problems.add(file.string() + ": " + one_line(error.what()));
    }
    return false;
  };
  if (!fs::is_regular_file(fs::symlink_status(file))) {
    check.problems.add(file.string() + ": the shard is missing, or no regular file");
    return check;
  }
  try_to([&] { check_file(file, entry, check.problems); });
  std::optional<Shard> shard;
  std::vector<std::string> names;
  if (!try_to([&] { shard.emplace(file); })) return check;
  try_to([&] { names = shard->names(); });
  if (shard->count() != entry.count) {
    check.problems.add(file.string() + ": the shard has " + not_but(shard->count(), entry.count) +
                       " images as dataset.json says");
  }
  check.whole = check_names(*shard, names, check.problems);
  check_images(*shard, names, classes, options, check);
  return check;
}

Problems check_whole(const fs::path& folder, const DataSetManifest& manifest, const std::vector<ShardCheck>& checks) {
  MSN_CHECK(checks.size() == manifest.shards.size());
  Problems problems(2);
  const bool whole = std::all_of(checks.begin(), checks.end(), [](const ShardCheck& check) { return check.whole; });
  if (!whole) return problems;
  Fingerprint fingerprint(manifest.classes);
  std::vector<Hash128> hashes;
  for (std::size_t s = 0; s < checks.size(); ++s) {
    const Shard shard(folder / manifest.shards[s].file);
    const std::vector<std::string> names = shard.names();
    for (std::size_t i = 0; i < shard.count(); ++i)
      fingerprint.add(names[i], shard.label(i), checks[s].hashes[i]);
    hashes.insert(hashes.end(), checks[s].hashes.begin(), checks[s].hashes.end());
  }
  const std::string where = (folder / "dataset.json").string() + ": ";
  if (fingerprint.hex() != manifest.fingerprint) {
    problems.add(where + "the fingerprint of the images is " + fingerprint.hex() + ", not " +
                 one_line(manifest.fingerprint));
  }
  std::sort(hashes.begin(), hashes.end());
  const auto distinct = std::unique(hashes.begin(), hashes.end()) - hashes.begin();
  const std::uint64_t duplicates = hashes.size() - static_cast<std::uint64_t>(distinct);
  if (duplicates != manifest.duplicates) {
    problems.add(where + "there are " + not_but(duplicates, manifest.duplicates) + " duplicates");
  }
  return problems;
}

}  // namespace msn
