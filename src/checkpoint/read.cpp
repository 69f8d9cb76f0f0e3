// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "base/error.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/state_file.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

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

}  // namespace

void verify_checkpoint(const fs::path& checkpoint) {
  const Manifest manifest = read_manifest(checkpoint);
  warn_of_strangers(checkpoint, manifest);
  for (const auto& file : manifest.files)
    check_state_file(checkpoint / file.name, file);
}

void read_checkpoint(const fs::path& checkpoint, const std::vector<StateTensor>& state) {
  const Manifest manifest = read_manifest(checkpoint);
  std::map<std::string, const ManifestTensor*> stored;
  for (const auto& tensor : manifest.tensors)
    stored[tensor.name] = &tensor;
  std::map<std::string, std::vector<WantedTensor>> requests;
  for (const auto& wanted : state) {
    const std::string where = checkpoint.string() + ":" + wanted.name;
    const auto found = stored.find(wanted.name);
    if (found == stored.end()) {
      throw data_error("the checkpoint has no such tensor", where, "use the configuration that it was made with");
    }
    check_fit(*found->second, wanted, where);
    MSN_CHECK(wanted.bytes.size() == tensor_bytes(wanted.type, wanted.shape, wanted.name));
    requests[found->second->file].push_back({found->second, wanted.bytes});
  }
  for (const auto& file : manifest.files) {
    if (const auto found = requests.find(file.name); found != requests.end()) {
      read_state_file(checkpoint / file.name, file, found->second);
    } else {
      check_state_file(checkpoint / file.name, file);
    }
  }
}

}  // namespace msn
