// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/hdf5.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr const char* kUseAnother = "it is damaged; use another checkpoint";

void check_hash(const fs::path& checkpoint, const ManifestFile& file) {
  const fs::path path = checkpoint / file.name;
  if (hash_file(path) != file.hash) throw data_error("the file differs from its manifest", path.string(), kUseAnother);
}

void warn_of_strangers(const fs::path& checkpoint, const Manifest& manifest) {
  for (const fs::path& file : unknown_files(checkpoint, manifest))
    log::warn("ignoring a file that is no part of the checkpoint (" + file.string() + ")");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

/// The state wants what the checkpoint has.
void check_fit(const ManifestTensor& stored, const StateTensor& wanted, const std::string& where) {
  if (stored.type == wanted.type && stored.shape == wanted.shape) return;
  throw data_error("the checkpoint has " + std::string(element_name(stored.type)) + shape_text(stored.shape) +
                       " where the model has " + std::string(element_name(wanted.type)) + shape_text(wanted.shape),
                   where, "use the configuration that the checkpoint was made with");
}

/// The dataset is what the manifest says, so that its bytes can be read at its offset.
std::uint64_t checked_offset(const h5::File& file, const ManifestTensor& tensor, std::uint64_t bytes,
                             std::uint64_t file_size, const std::string& where) {
  const h5::DatasetFacts facts = file.facts(tensor.name);
  const bool is_float = tensor.type != ElementType::i64;
  const bool same_shape =
      std::equal(facts.shape.begin(), facts.shape.end(), tensor.shape.begin(), tensor.shape.end(),
                 [](std::uint64_t a, std::int64_t b) { return a == static_cast<std::uint64_t>(b); });
  const bool fits = facts.is_contiguous && facts.file_offset <= file_size && bytes <= file_size - facts.file_offset;
  if (!same_shape || facts.is_float != is_float || facts.element_size != element_size(tensor.type) || !fits) {
    throw data_error("the dataset is not what the manifest says", where, kUseAnother);
  }
  return facts.file_offset;
}

struct Request {
  const ManifestTensor* stored;
  const StateTensor* wanted;
};

void read_tensors(const fs::path& path, std::uint64_t file_size, const std::vector<Request>& requests) {
  std::vector<std::uint64_t> offsets;
  {
    const h5::File file(path, h5::Mode::read);
    for (const auto& [stored, wanted] : requests) {
      offsets.push_back(
          checked_offset(file, *stored, wanted->bytes.size(), file_size, path.string() + ":" + stored->name));
    }
  }
  const FileHandle handle(path, O_RDONLY);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto& [stored, wanted] = requests[i];
    handle.read_at(wanted->bytes, offsets[i]);
    if (hash_hex(wanted->bytes) != stored->hash) {
      throw data_error("the tensor differs from its manifest", path.string() + ":" + stored->name, kUseAnother);
    }
  }
}

}  // namespace

void verify_checkpoint(const fs::path& checkpoint) {
  const Manifest manifest = read_manifest(checkpoint);
  warn_of_strangers(checkpoint, manifest);
  for (const auto& file : manifest.files)
    check_hash(checkpoint, file);
}

void read_checkpoint(const fs::path& checkpoint, const std::vector<StateTensor>& state) {
  const Manifest manifest = read_manifest(checkpoint);
  std::map<std::string, const ManifestTensor*> stored;
  for (const auto& tensor : manifest.tensors)
    stored[tensor.name] = &tensor;
  std::map<std::string, std::vector<Request>> requests;
  for (const auto& wanted : state) {
    const std::string where = checkpoint.string() + ":" + wanted.name;
    const auto found = stored.find(wanted.name);
    if (found == stored.end()) {
      throw data_error("the checkpoint has no such tensor", where, "use the configuration that it was made with");
    }
    check_fit(*found->second, wanted, where);
    MSN_CHECK(wanted.bytes.size() == tensor_bytes(wanted.type, wanted.shape, wanted.name));
    requests[found->second->file].push_back({found->second, &wanted});
  }
  for (const auto& file : manifest.files) {
    check_hash(checkpoint, file);
    if (const auto found = requests.find(file.name); found != requests.end()) {
      read_tensors(checkpoint / file.name, file.size, found->second);
    }
  }
}

}  // namespace msn
