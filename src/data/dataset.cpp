// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int format_version = 1;
constexpr std::size_t manifest_limit = std::size_t{1} << 26;
constexpr char file_name[] = "dataset.json";
constexpr char copy_again[] = "copy it again or pack the images again";

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.find('\0') == std::string::npos;
}

DataSetManifest parse(const json& document, const std::string& where) {
  if (document.at("format_version").get<int>() != format_version) {
    throw data_error("a data set of format version " + document.at("format_version").dump() +
                         ", this msn reads version " + std::to_string(format_version),
                     where, "pack the images again");
  }
  DataSetManifest manifest;
  manifest.name = document.at("name").get<std::string>();
  manifest.count = document.at("count").get<std::uint64_t>();
  manifest.classes = document.at("classes").get<std::vector<std::string>>();
  manifest.left_out = document.at("left_out").get<std::uint64_t>();
  manifest.duplicates = document.at("duplicates").get<std::uint64_t>();
  manifest.fingerprint = document.at("fingerprint").get<std::string>();
  if (document.contains("transcode")) manifest.transcode = transcode_from_json(document.at("transcode"));
  std::uint64_t sum = 0;
  std::set<std::string> seen;
  for (const json& entry : document.at("shards")) {
    manifest.shards.push_back({entry.at("file").get<std::string>(), entry.at("count").get<std::uint64_t>(),
                               entry.at("size").get<std::uint64_t>(), entry.at("hash").get<std::string>()});
    const ShardEntry& shard = manifest.shards.back();
    if (!is_plain_name(shard.file)) {
      throw data_error("the shard name \"" + shard.file + "\" is not a plain file name", where,
                       "a data set names only files inside its own folder");
    }
    if (!seen.insert(shard.file).second) throw data_error("the shard " + shard.file + " is named twice", where);
    sum += shard.count;
  }
  if (sum != manifest.count || manifest.count == 0 || manifest.count > (std::uint64_t{1} << 32)) {
    throw data_error(
        "the shards hold " + std::to_string(sum) + " images, the data set claims " + std::to_string(manifest.count),
        where, "pack the images again");
  }
  return manifest;
}

}  // namespace

DataSetManifest read_dataset_manifest(const fs::path& folder) {
  const fs::path file = folder / file_name;
  if (!fs::exists(file)) {
    throw data_error(fs::is_directory(folder) ? "the folder is not a finished data set: it has no dataset.json"
                                              : "no such data set folder",
                     folder.string(), "make it with msn pack, or correct the path");
  }
  try {
    return parse(json::parse(read_text(file, manifest_limit)), file.string());
  } catch (const json::exception& error) {
    throw data_error(std::string("not a valid dataset.json: ") + error.what(), file.string(), "pack the images again");
  }
}

void write_dataset_manifest(const fs::path& folder, const DataSetManifest& manifest) {
  json shards = json::array();
  for (const ShardEntry& shard : manifest.shards) {
    shards.push_back({{"file", shard.file}, {"count", shard.count}, {"size", shard.size}, {"hash", shard.hash}});
  }
  json document = {{"format_version", format_version},
                   {"name", manifest.name},
                   {"count", manifest.count},
                   {"classes", manifest.classes},
                   {"left_out", manifest.left_out},
                   {"duplicates", manifest.duplicates},
                   {"fingerprint", manifest.fingerprint},
                   {"shards", shards}};
  if (manifest.transcode) document["transcode"] = to_json(*manifest.transcode);
  write_durably(folder / file_name, document.dump(1) + "\n");
}

void check_shard_file(const fs::path& folder, const ShardEntry& entry) {
  const fs::path file = folder / entry.file;
  std::error_code failed;
  const bool regular = fs::is_regular_file(fs::symlink_status(file, failed));
  const std::uint64_t size = regular ? fs::file_size(file, failed) : 0;
  if (!regular || failed) {
    throw data_error("the shard is missing, or no regular file", file.string(), copy_again);
  }
  if (size != entry.size) {
    throw data_error("the shard has " + std::to_string(size) + " bytes, not " + std::to_string(entry.size),
                     file.string(), copy_again);
  }
}

Shard open_shard(const fs::path& folder, const ShardEntry& entry, std::size_t classes) {
  check_shard_file(folder, entry);
  const fs::path file = folder / entry.file;
  Shard shard(file);
  if (shard.count() != entry.count) {
    throw data_error("the shard has " + std::to_string(shard.count()) + " images, not " + std::to_string(entry.count),
                     file.string(), copy_again);
  }
  for (std::size_t i = 0; i < shard.count(); ++i) {
    if (shard.label(i) < -1 || shard.label(i) >= static_cast<std::int32_t>(classes)) {
      throw data_error("image " + std::to_string(i) + " has label " + std::to_string(shard.label(i)) + ", there are " +
                           std::to_string(classes) + " classes",
                       file.string(), "pack the images again");
    }
  }
  return shard;
}

DataSet::DataSet(const fs::path& folder) : folder_(folder), manifest_(read_dataset_manifest(folder)) {
  std::uint64_t first = 0;
  for (const ShardEntry& entry : manifest_.shards) {
    shards_.push_back(open_shard(folder, entry, manifest_.classes.size()));
    first_.push_back(first);
    first += entry.count;
  }
}

DataSet::Place DataSet::place_of(std::uint64_t sample) const {
  MSN_CHECK(sample < manifest_.count);
  const auto after = std::upper_bound(first_.begin(), first_.end(), sample);
  const auto shard = static_cast<std::size_t>(after - first_.begin()) - 1;
  return {shard, sample - first_[shard]};
}

std::vector<std::byte> DataSet::read(std::uint64_t sample) const {
  const Place place = place_of(sample);
  return shards_[place.shard].read(place.index);
}

std::int32_t DataSet::label(std::uint64_t sample) const {
  const Place place = place_of(sample);
  return shards_[place.shard].label(place.index);
}

std::string DataSet::describe(std::uint64_t sample) const {
  const Place place = place_of(sample);
  const Shard& shard = shards_[place.shard];
  const std::vector<std::string> names = shard.names();
  return "sample " + std::to_string(sample) + " (" + (place.index < names.size() ? names[place.index] : "unnamed") +
         ", image " + std::to_string(place.index) + " of " + shard.path().string() + ")";
}

}  // namespace msn
