// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/manifest.hpp"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/json.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kTextLimit = std::size_t{64} << 20;
constexpr const char* kDamaged = "it is damaged; use another checkpoint";

struct TypeName {
  ElementType type;
  std::string_view name;
  std::size_t size;
};
constexpr TypeName kTypes[] = {
    {ElementType::f32, "float32", 4}, {ElementType::f64, "float64", 8}, {ElementType::i64, "int64", 8}};

const TypeName& entry_of(ElementType type) {
  return *std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& entry) { return entry.type == type; });
}

CheckpointFacts facts_of(const Json& json) {
  CheckpointFacts facts;
  json.at("step").get_to(facts.step);
  json.at("epoch").get_to(facts.epoch);
  json.at("samples_seen").get_to(facts.samples_seen);
  json.at("seed").get_to(facts.seed);
  json.at("global_batch").get_to(facts.global_batch);
  json.at("world_size").get_to(facts.world_size);
  json.at("config_digest").get_to(facts.config_digest);
  json.at("config").get_to(facts.config_toml);
  json.at("data_fingerprint").get_to(facts.data_fingerprint);
  // Absent from the manifests of versions that left no step out.
  facts.skipped = json.value("skipped", std::uint64_t{0});
  facts.skipped_in_a_row = json.value("skipped_in_a_row", std::uint64_t{0});
  if (const auto surroundings = json.find("surroundings"); surroundings != json.end()) {
    surroundings->at("threads").get_to(facts.threads);
    surroundings->at("torch").get_to(facts.torch);
    surroundings->at("instruction_set").get_to(facts.instruction_set);
    // Absent from the manifests of versions that had one back end of matrix products, or no GPUs.
    facts.processor = surroundings->value("processor", "");
    facts.gemm = surroundings->value("gemm", "");
    facts.device = surroundings->value("device", "");
  }
  if (const auto measured = json.find("evaluation"); measured != json.end())
    facts.knn_top1 = measured->at("knn_top1").get<double>();
  return facts;
}

/// Of everything in the manifest but the hash itself, however it is laid out as text.
std::string hash_of(Json json) {
  json["written"].erase("hash");
  return hash_hex(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// Versions that recorded no surroundings wrote no hash either.
void check_own_hash(const Json& json, std::string_view text, const std::string& where) {
  if (!json.contains("surroundings") && !(json.contains("written") && json["written"].contains("hash"))) return;
  // The hash does not depend on white space, but a file that lost its last byte is not what was written.
  if (!text.ends_with('\n') || json.at("written").at("hash").get<std::string>() != hash_of(json))
    throw data_error("the manifest is not as it was written", where, kDamaged);
}

void require_plain(const std::string& name, const std::string& where) {
  if (!is_plain_name(name)) throw data_error("not a plain name: \"" + name + "\"", where, kDamaged);
}

ElementType type_of(const std::string& name, const std::string& where) {
  for (const auto& entry : kTypes) {
    if (entry.name == name) return entry.type;
  }
  throw data_error("no such element type: " + name, where, kDamaged);
}

Manifest manifest_of(const Json& json, const std::string& where) {
  Manifest manifest;
  manifest.facts = facts_of(json);
  if (manifest.facts.skipped > manifest.facts.step || manifest.facts.skipped_in_a_row > manifest.facts.skipped) {
    throw data_error("more steps were skipped than there were", where, kDamaged);
  }
  std::map<std::string, std::uint64_t> room;  // Bytes of each file that no tensor has taken yet.
  for (const auto& item : json.at("files")) {
    ManifestFile file;
    item.at("name").get_to(file.name);
    item.at("size").get_to(file.size);
    item.at("hash").get_to(file.hash);
    require_plain(file.name, where);
    if (!room.emplace(file.name, file.size).second)
      throw data_error("a file is listed twice: " + file.name, where, kDamaged);
    manifest.files.push_back(std::move(file));
  }
  std::set<std::string> names;
  for (const auto& item : json.at("tensors")) {
    ManifestTensor tensor;
    item.at("name").get_to(tensor.name);
    tensor.type = type_of(item.at("type").get<std::string>(), where);
    item.at("shape").get_to(tensor.shape);
    item.at("file").get_to(tensor.file);
    item.at("hash").get_to(tensor.hash);
    require_plain(tensor.name, where);
    if (!names.insert(tensor.name).second)
      throw data_error("a tensor is listed twice: " + tensor.name, where, kDamaged);
    const auto file = room.find(tensor.file);
    if (file == room.end())
      throw data_error("a tensor lies in a file that is not listed: " + tensor.name, where, kDamaged);
    const std::uint64_t bytes = tensor_bytes(tensor.type, tensor.shape, tensor.name);
    if (bytes > file->second) {
      throw data_error("tensors are larger than their file " + tensor.file + ", at " + tensor.name, where, kDamaged);
    }
    file->second -= bytes;
    manifest.tensors.push_back(std::move(tensor));
  }
  if (const auto written = json.find("written"); written != json.end()) {
    manifest.written = {written->value("time", ""), written->value("host", ""), written->value("version", "")};
  }
  return manifest;
}

}  // namespace

std::size_t element_size(ElementType type) {
  return entry_of(type).size;
}

std::string_view element_name(ElementType type) {
  return entry_of(type).name;
}

std::uint64_t tensor_bytes(ElementType type, const std::vector<std::int64_t>& shape, const std::string& name) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 62;
  std::uint64_t bytes = element_size(type);
  for (const std::int64_t extent : shape) {
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(extent, 0));
    if (extent < 0 || (factor != 0 && bytes > limit / factor)) {
      throw data_error("a tensor has an impossible shape", name, kDamaged);
    }
    bytes *= factor;
  }
  return bytes;
}

bool is_plain_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 255 && name.front() != '.' && std::all_of(name.begin(), name.end(), allowed);
}

std::string manifest_text(const Manifest& manifest) {
  const CheckpointFacts& facts = manifest.facts;
  Json json{
      {"format_version", Manifest::kFormatVersion},
      {"step", facts.step},
      {"epoch", facts.epoch},
      {"samples_seen", facts.samples_seen},
      {"seed", facts.seed},
      {"global_batch", facts.global_batch},
      {"world_size", facts.world_size},
      {"config_digest", facts.config_digest},
      {"config", facts.config_toml},
      {"data_fingerprint", facts.data_fingerprint},
      {"skipped", facts.skipped},
      {"skipped_in_a_row", facts.skipped_in_a_row},
      {"surroundings",
       {{"threads", facts.threads},
        {"torch", facts.torch},
        {"instruction_set", facts.instruction_set},
        {"processor", facts.processor},
        {"gemm", facts.gemm},
        {"device", facts.device}}},
      {"files", Json::array()},
      {"tensors", Json::array()},
      {"written",
       {{"time", manifest.written.time}, {"host", manifest.written.host}, {"version", manifest.written.version}}},
  };
  if (facts.knn_top1) json["evaluation"] = {{"knn_top1", *facts.knn_top1}};
  for (const auto& file : manifest.files) {
    json["files"].push_back({{"name", file.name}, {"size", file.size}, {"hash", file.hash}});
  }
  for (const auto& tensor : manifest.tensors) {
    json["tensors"].push_back({{"name", tensor.name},
                               {"type", element_name(tensor.type)},
                               {"shape", tensor.shape},
                               {"file", tensor.file},
                               {"hash", tensor.hash}});
  }
  json["written"]["hash"] = hash_of(json);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Manifest parse_manifest(std::string_view text, const std::string& where) {
  try {
    const Json json = parse_json(text, where, kDamaged);
    const auto version = json.at("format_version").get<std::int64_t>();
    if (version > Manifest::kFormatVersion) throw NewerVersionError(where);
    if (version < 1) throw data_error("no such format version: " + std::to_string(version), where, kDamaged);
    Manifest manifest = manifest_of(json, where);
    check_own_hash(json, text, where);
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    throw data_error(std::string("not a checkpoint's manifest: ") + error.what(), where, kDamaged);
  }
}

namespace {

void require_regular(const fs::path& path) {
  std::error_code error;
  const auto type = fs::symlink_status(path, error).type();
  if (type == fs::file_type::none) throw system_error("cannot examine", path.string(), error.value());
  if (type == fs::file_type::not_found)
    throw data_error("a file of the checkpoint is missing", path.string(), kDamaged);
  if (type != fs::file_type::regular) throw data_error("not a regular file", path.string(), kDamaged);
}

}  // namespace

Manifest read_manifest_alone(const fs::path& checkpoint) {
  const fs::path file = checkpoint / "manifest.json";
  require_regular(file);
  return parse_manifest(read_text(file, kTextLimit), file.string());
}

std::vector<fs::path> unknown_files(const fs::path& checkpoint, const Manifest& manifest) {
  std::set<std::string> known{"manifest.json"};
  for (const auto& file : manifest.files)
    known.insert(file.name);
  std::vector<fs::path> unknown;
  std::error_code error;
  for (fs::directory_iterator entry(checkpoint, error), end; !error && entry != end; entry.increment(error)) {
    if (!known.contains(entry->path().filename().string())) unknown.push_back(entry->path());
  }
  std::sort(unknown.begin(), unknown.end());
  return unknown;
}

void check_presence(const fs::path& checkpoint, const ManifestFile& file) {
  const fs::path path = checkpoint / file.name;
  require_regular(path);
  const std::uint64_t size = FileHandle(path, O_RDONLY).size();
  if (size != file.size) {
    throw data_error("the file has " + std::to_string(size) + " bytes instead of " + std::to_string(file.size),
                     path.string(), kDamaged);
  }
}

Manifest read_manifest(const fs::path& checkpoint) {
  Manifest manifest = read_manifest_alone(checkpoint);
  for (const auto& file : manifest.files)
    check_presence(checkpoint, file);
  return manifest;
}

}  // namespace msn
