// SPDX-License-Identifier: Apache-2.0
#include "data/staging.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "base/byte_size.hpp"
#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "data/dataset.hpp"
#include "data/workers.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr int copies_at_once = 4;                              // Enough to keep a parallel file system busy.
constexpr std::size_t piece = std::size_t{4} << 20;            // Bytes of one read of a copy.
constexpr std::uint64_t spare_room = std::uint64_t{64} << 20;  // Left free on the disk: other files grow, too.

/// Names what the copy holds: data sets with the same name, another packing of the same images, do not mix.
std::string content_name(const DataSetManifest& manifest) {
  Hasher hasher;
  hasher.update(manifest.fingerprint);
  for (const ShardEntry& shard : manifest.shards)
    hasher.update("\n" + shard.file + "\n" + std::to_string(shard.size) + "\n" + shard.hash);
  return "msn-" + std::to_string(::geteuid()) + "-" + hasher.hex();
}

/// The folder of the copy, made if it is not there, this user's alone.
void make_own_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw system_error("cannot make the folder of the staged copy", folder.string(), errno,
                       "make data.staging a folder that you may write to");
  }
  struct stat facts {};
  if (::lstat(folder.c_str(), &facts) != 0) throw system_error("cannot examine", folder.string(), errno);
  if (!S_ISDIR(facts.st_mode) || facts.st_uid != ::geteuid()) {
    throw data_error("the place of the staged copy is no folder of this user", folder.string(),
                     "remove it, or name another folder in data.staging");
  }
}

/// Held by the one process that copies. The kernel lets go of it when the process ends, however it ends.
class WaitingLock {
 public:
  WaitingLock(const fs::path& folder, const std::function<void(const std::string&)>& say)
      : file_(folder / ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600) {
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return;
    if (errno == EWOULDBLOCK) {
      say("another job is staging the same data set: waiting for it");
      int result = 0;
      do {
        result = ::flock(file_.get(), LOCK_EX);
      } while (result != 0 && errno == EINTR);
      if (result == 0) return;
    }
    throw system_error("cannot lock", file_.path().string(), errno,
                       "name a folder on a disk of the node in data.staging");
  }

 private:
  FileHandle file_;
};

bool has_size(const fs::path& file, std::uint64_t size) {
  std::error_code failed;
  return fs::is_regular_file(fs::symlink_status(file, failed)) && fs::file_size(file, failed) == size && !failed;
}

bool is_whole(const fs::path& copy, const DataSetManifest& manifest) {
  std::error_code failed;
  if (!fs::exists(copy / "dataset.json", failed)) return false;
  try {
    if (!(read_dataset_manifest(copy) == manifest)) return false;
  } catch (const Error&) {
    return false;
  }
  return std::all_of(manifest.shards.begin(), manifest.shards.end(),
                     [&](const ShardEntry& shard) { return has_size(copy / shard.file, shard.size); });
}

/// Copies one file beside its place, proves it and gives it its name. Nothing stays behind if it throws.
void copy_shard(const fs::path& source, const fs::path& copy, const ShardEntry& shard) {
  const fs::path partial = copy / (".partial-" + shard.file);
  try {
    {
      const FileHandle from(source / shard.file, O_RDONLY | O_NOFOLLOW);
      const FileHandle to(partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
      ::posix_fadvise(from.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
      std::vector<std::byte> buffer(std::min<std::uint64_t>(piece, shard.size));
      for (std::uint64_t done = 0; done < shard.size;) {
        const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), shard.size - done));
        from.read_at(part, done);
        to.write_at(part, done);
        done += part.size();
      }
      to.sync();
    }
    if (hash_file(partial) != shard.hash) {
      throw data_error("the shard's bytes are not those that its hash in dataset.json was made of",
                       (source / shard.file).string(), "copy the data set again or pack the images again");
    }
    rename_durably(partial, copy / shard.file);
  } catch (...) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw;
  }
}

}  // namespace

fs::path staged_folder(const fs::path& source, const fs::path& staging) {
  return staging / content_name(read_dataset_manifest(source));
}

Staged stage_dataset(const fs::path& source, const fs::path& staging,
                     const std::function<void(const std::string&)>& say) {
  const DataSetManifest manifest = read_dataset_manifest(source);
  std::error_code failed;
  fs::create_directories(staging, failed);
  if (failed) {
    throw system_error("cannot make the staging folder", staging.string(), failed.value(),
                       "make data.staging a folder that you may write to");
  }
  Staged staged{staging / content_name(manifest)};
  make_own_folder(staged.folder);
  const WaitingLock lock(staged.folder, say);
  if (is_whole(staged.folder, manifest)) return staged;

  fs::remove(staged.folder / "dataset.json");
  std::vector<const ShardEntry*> missing;
  for (const ShardEntry& shard : manifest.shards) {
    check_shard_file(source, shard);
    // What a job that was killed left half-copied; nobody else copies now.
    fs::remove(staged.folder / (".partial-" + shard.file));
    if (has_size(staged.folder / shard.file, shard.size)) continue;
    missing.push_back(&shard);
    staged.bytes_copied += shard.size;
  }
  const std::uint64_t room = fs::space(staged.folder).available;
  if (staged.bytes_copied + spare_room > room) {
    throw data_error(
        "staging needs " + gib_text(staged.bytes_copied + spare_room) + ", the disk has " + gib_text(room) + " free",
        staging.string(), "make room, name another folder in data.staging, or leave it out");
  }
  say("staging " + gib_text(staged.bytes_copied) + " of " + source.string() + " to " + staged.folder.string());
  for_each_parallel(missing.size(), std::min(copies_at_once, static_cast<int>(missing.size())),
                    [&](std::size_t i) { copy_shard(source, staged.folder, *missing[i]); });
  write_dataset_manifest(staged.folder, manifest);
  return staged;
}

}  // namespace msn
