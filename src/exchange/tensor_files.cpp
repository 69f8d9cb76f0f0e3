// SPDX-License-Identifier: Apache-2.0
#include "exchange/tensor_files.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "exchange/safetensors.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// As the header's limit of a safetensors file: the same names.
constexpr std::size_t kIndexLimit = std::size_t{16} << 20;
/// Each is an open file. The largest models that are published have some two hundred.
constexpr std::size_t kFileLimit = 512;
constexpr const char* kRemedy = "get the folder again, with all its files";

std::vector<NamedTensor> open_one(const fs::path& path) {
  const auto file = std::make_shared<SafetensorsFile>(path);
  std::vector<NamedTensor> tensors;
  for (const SafetensorsEntry& entry : file->entries()) {
    tensors.push_back({entry.name, entry.dtype, entry.shape, [file, entry] { return file->read(entry); },
                       path.string() + ":" + entry.name});
  }
  return tensors;
}

/// A file of the index's own folder: no path, nothing hidden.
bool is_plain(std::string_view name) {
  if (name.empty() || name.size() > 255 || name.front() == '.') return false;
  for (const char c : name) {
    if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20) return false;
  }
  return true;
}

Json parse_index(const fs::path& path) {
  const std::string text = read_text(path, kIndexLimit);
  Json index;
  try {
    index = parse_json(text, path.string(), kRemedy);
  } catch (const Json::parse_error& error) {
    // The parser's own text quotes the file, at any length.
    throw data_error("the index is not JSON, at its byte " + std::to_string(error.byte), path.string(), kRemedy);
  }
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw data_error("the index has no weight_map", path.string(), kRemedy);
  return index["weight_map"];
}

/// File -> names of its tensors.
std::map<std::string, std::set<std::string>> files_of(const fs::path& path) {
  const Json map = parse_index(path);
  std::map<std::string, std::set<std::string>> files;
  for (const auto& [tensor, file] : map.items()) {
    const std::string where = path.string() + ":" + tensor;
    if (!file.is_string()) throw data_error("the index names no file for the tensor", where, kRemedy);
    const std::string name = file.get<std::string>();
    if (!is_plain(name))
      throw data_error("the index names \"" + name + "\", which is no file of its folder", where, kRemedy);
    files[name].insert(tensor);
    if (files.size() > kFileLimit)
      throw data_error("the index names more than " + std::to_string(kFileLimit) + " files", path.string(), kRemedy);
  }
  return files;
}

std::vector<NamedTensor> open_index(const fs::path& path) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, promised] : files_of(path)) {
    const fs::path file = path.parent_path() / name;
    std::error_code ignored;
    const fs::file_status status = fs::symlink_status(file, ignored);
    if (fs::is_symlink(status)) {
      throw data_error("a file that the index names is a link", file.string(),
                       "copy the folder with its links followed (cp -rL)");
    }
    if (!fs::is_regular_file(status))
      throw data_error("a file that the index names is missing", file.string(), kRemedy);
    std::set<std::string> missing = promised;
    for (NamedTensor& tensor : open_one(file)) {
      if (missing.erase(tensor.name) == 0)
        throw data_error("the index does not name the tensor in this file", tensor.place, kRemedy);
      tensors.push_back(std::move(tensor));
    }
    if (!missing.empty())
      throw data_error("missing tensor that the index names", file.string() + ":" + *missing.begin(), kRemedy);
  }
  return tensors;
}

}  // namespace

bool holds_tensor_files(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / kIndexFile, ignored) || fs::is_regular_file(folder / kModelFile, ignored);
}

std::vector<NamedTensor> open_tensor_files(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return path.extension() == ".json" ? open_index(path) : open_one(path);
  if (fs::is_regular_file(path / kIndexFile, ignored)) return open_index(path / kIndexFile);
  if (fs::is_regular_file(path / kModelFile, ignored)) return open_one(path / kModelFile);
  throw config_error(fs::exists(path, ignored) ? "there are no weights here" : "there is nothing here", path.string(),
                     "give a .safetensors file, an index of several, or a folder with model.safetensors in it");
}

}  // namespace msn
