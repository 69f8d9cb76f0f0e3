// SPDX-License-Identifier: Apache-2.0
// What exactly is wrong with a checkpoint: for people, who want to know all of it. The HDF5 library never sees the
// files, which may be damaged.
#include <fcntl.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/plain_hdf5.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/state_file.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

std::string line_of(const Error& error, const fs::path& place) {
  return (error.where().empty() ? place.string() : error.where()) + ": " + error.problem();
}

/// Of a part of a file, in pieces: a tensor may be larger than what a login node has.
std::string hash_of_part(const FileHandle& file, std::uint64_t offset, std::uint64_t size) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(size, std::uint64_t{1} << 20));
  Hasher hasher;
  while (size > 0) {
    const std::span piece(buffer.data(), std::min<std::uint64_t>(size, buffer.size()));
    file.read_at(piece, offset);
    hasher.update(piece);
    offset += piece.size();
    size -= piece.size();
  }
  return hasher.hex();
}

/// What is wrong with a tensor of a file that is not as it was written; empty: it is whole.
std::string damage_of(const FileHandle& file, const h5::PlainFile& index, const ManifestTensor& tensor) {
  const auto found = index.datasets.find(tensor.name);
  if (found == index.datasets.end()) return "the tensor is missing";
  if (!is_as_listed(found->second, tensor)) return "the tensor has another type or shape than the manifest says";
  const std::uint64_t size = found->second.elements * found->second.element_size;
  return hash_of_part(file, found->second.file_offset, size) == tensor.hash ? "" : "the tensor's values are damaged";
}

/// Of a file that is present, but not as it was written.
void find_damaged_tensors(const fs::path& path, const Manifest& manifest, std::vector<std::string>& lines) {
  const FileHandle file(path, O_RDONLY);
  h5::PlainFile index;
  try {
    index = h5::read_plain_file(file, h5::Reals::taken);
  } catch (const SystemError&) {
    throw;
  } catch (const Error& error) {
    lines.push_back(line_of(error, path) + "; which of its tensors are whole cannot be told");
    return;
  }
  const std::size_t before = lines.size();
  for (const ManifestTensor& tensor : manifest.tensors) {
    if (tensor.file != path.filename()) continue;
    const std::string damage = damage_of(file, index, tensor);
    if (!damage.empty()) lines.push_back(path.string() + ":" + tensor.name + ": " + damage);
  }
  if (lines.size() == before) lines.push_back(path.string() + ": its tensors are whole; the damage lies between them");
}

}  // namespace

DamageReport find_damage(const fs::path& checkpoint) {
  DamageReport report;
  std::vector<std::string>& lines = report.damage;
  Manifest manifest;
  try {
    manifest = read_manifest_alone(checkpoint);
  } catch (const Error& error) {
    lines.push_back(line_of(error, checkpoint));
    return report;
  }
  report.unknown = unknown_files(checkpoint, manifest);
  for (const ManifestFile& file : manifest.files) {
    const fs::path path = checkpoint / file.name;
    try {
      check_presence(checkpoint, file);
      if (hash_file(path) == file.hash) continue;
      lines.push_back(path.string() + ": the file differs from its manifest");
      find_damaged_tensors(path, manifest, lines);
    } catch (const Error& error) {
      lines.push_back(line_of(error, path));
    }
  }
  return report;
}

}  // namespace msn
