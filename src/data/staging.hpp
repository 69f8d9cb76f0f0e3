// SPDX-License-Identifier: Apache-2.0
// A copy of a packed data set on a disk of the node's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace msn {

struct Staged {
  std::filesystem::path folder;    ///< A packed data set: the copy.
  std::uint64_t bytes_copied = 0;  ///< 0: it was there already.
};

/// Where the copy of the data set at `source` lies or will lie: below `staging`, named after what it holds. Reads
/// source's dataset.json; throws data_error.
std::filesystem::path staged_folder(const std::filesystem::path& source, const std::filesystem::path& staging);

/// Copies the data set at `source` below `staging`, into staged_folder(), or finds the whole copy that
/// an earlier job left there. One process of a node calls; two jobs may call at the same time: one copies, the other
/// waits for it and uses its copy. `say` gets a line now and then for the log.
///
/// A shard is copied beside, made durable, read back and compared with the hash in dataset.json, then renamed;
/// dataset.json, without which a folder is no data set, comes last. Whole shards of an interrupted copy serve again. A
/// copy serves only if its dataset.json says exactly the same as the source's - fingerprint, files, sizes, hashes - and
/// all its files have their sizes; bytes that go bad later are found by each image's checksum.
///
/// Throws data_error: not enough room (before anything is copied), a source that is not as its dataset.json says, a
/// folder that belongs to another user.
Staged stage_dataset(const std::filesystem::path& source, const std::filesystem::path& staging,
                     const std::function<void(const std::string&)>& say);

}  // namespace msn
