// SPDX-License-Identifier: Apache-2.0
#include "data/pack_plan.hpp"

#include <cstdio>
#include <set>
#include <system_error>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/utf8.hpp"
#include "base/wire.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr char record_name[] = "pack.json";

std::string digest_of(std::span<const SourceItem> items) {
  Hasher hasher;
  for (const SourceItem& item : items) {
    hasher.update(json{item.name, item.label, item.size, item.modified, item.position, item.problem}.dump());
  }
  return hasher.hex();
}

/// For each shard the end of its images.
std::vector<std::size_t> cut(const std::vector<SourceItem>& items, const PackOptions& options) {
  std::vector<std::size_t> ends;
  if (options.shards) {
    if (*options.shards == 0 || *options.shards > items.size()) {
      throw usage_error(
          "cannot cut " + std::to_string(items.size()) + " images into " + std::to_string(*options.shards) + " shards",
          "--shards");
    }
    for (std::uint64_t k = 1; k <= *options.shards; ++k)
      ends.push_back(items.size() * k / *options.shards);
    return ends;
  }
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    bytes += items[i].size;
    if (i + 1 == items.size() || bytes + items[i + 1].size > options.shard_bytes) {
      ends.push_back(i + 1);
      bytes = 0;
    }
  }
  return ends;
}

}  // namespace

std::string set_name_of(const fs::path& output) {
  const fs::path whole = fs::absolute(output).lexically_normal();
  const std::string name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  if (!is_utf8(name)) throw usage_error("the name of the output folder is not UTF-8", one_line(name), "choose another");
  return name.empty() || name.front() == '.' ? "dataset" : name;
}

PackPlan make_plan(const PackOptions& options) {
  PackPlan plan;
  plan.sources = list_sources(options);
  const std::vector<std::size_t> ends = cut(plan.sources.items, options);
  const std::string name = set_name_of(options.output);
  std::uint64_t begin = 0;
  for (std::size_t k = 0; k < ends.size(); ++k) {
    char number[48];
    std::snprintf(number, sizeof number, "-%05zu-of-%05zu.h5", k, ends.size());
    PlannedShard& shard = plan.shards.emplace_back();
    shard = {name + number, begin, ends[k], ""};
    shard.digest = digest_of(plan.items(shard));
    begin = ends[k];
  }
  return plan;
}

std::string to_bytes(const PackPlan& plan) {
  WireWriter out;
  out.put(std::uint64_t{plan.sources.inputs.size()});
  for (const SourceInput& input : plan.sources.inputs) {
    out.put(input.kind);
    out.put(input.path.string());
    out.put(input.size);
    out.put(input.spec);
  }
  out.put(std::uint64_t{plan.sources.items.size()});
  for (const SourceItem& item : plan.sources.items) {
    out.put(item.name);
    out.put(item.path);
    out.put(item.problem);
    out.put(item.label);
    out.put(item.input);
    out.put(item.size);
    out.put(item.position);
  }
  out.put(std::uint64_t{plan.shards.size()});
  for (const PlannedShard& shard : plan.shards) {
    out.put(shard.file);
    out.put(shard.begin);
    out.put(shard.end);
  }
  return out.take();
}

PackPlan plan_from_bytes(std::string_view bytes) {
  WireReader in(bytes);
  PackPlan plan;
  plan.sources.inputs.resize(in.get<std::uint64_t>());
  for (SourceInput& input : plan.sources.inputs) {
    input.kind = in.get<SourceKind>();
    input.path = in.text();
    input.size = in.get<std::uint64_t>();
    input.spec = in.get<SyntheticSpec>();
  }
  plan.sources.items.resize(in.get<std::uint64_t>());
  for (SourceItem& item : plan.sources.items) {
    item.name = in.text();
    item.path = in.text();
    item.problem = in.text();
    item.label = in.get<std::int32_t>();
    item.input = in.get<std::uint32_t>();
    item.size = in.get<std::uint64_t>();
    item.position = in.get<std::uint64_t>();
  }
  plan.shards.resize(in.get<std::uint64_t>());
  for (PlannedShard& shard : plan.shards) {
    shard.file = in.text();
    shard.begin = in.get<std::uint64_t>();
    shard.end = in.get<std::uint64_t>();
  }
  MSN_CHECK(in.at_end());
  return plan;
}

json record_of(const PackPlan& plan, const PackOptions& options) {
  json shards = json::object();
  for (const PlannedShard& shard : plan.shards)
    shards[shard.file] = shard.digest;
  json record = {{"classes", plan.sources.classes}, {"shards", shards}};
  if (options.transcode) record["transcode"] = to_json(*options.transcode);
  return record;
}

json read_record(const fs::path& folder) {
  if (!fs::exists(folder / record_name)) return nullptr;
  const json record = json::parse(read_text(folder / record_name), nullptr, false);
  return record.is_object() && record.contains("shards") && record["shards"].is_object() ? record : json(nullptr);
}

void prepare_folder(const fs::path& folder, const PackPlan& plan, const json& old_record, const json& new_record) {
  std::set<std::string> own{record_name, std::string(record_name) + ".tmp", "dataset.json.tmp"};
  if (!old_record.is_null()) {
    own.insert({duplicates_file, std::string(duplicates_file) + ".tmp"});
    for (const PlannedShard& shard : plan.shards)
      own.insert({shard.file, shard.file + ".partial"});
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!own.contains(entry.path().filename().string())) {
      throw data_error("the output folder holds other files", entry.path().string(),
                       "choose an empty or new folder, or delete this one");
    }
  }
  const auto same = [&](const char* key) {
    return !old_record.is_null() && old_record.value(key, json()) == new_record.value(key, json());
  };
  const bool same_options = same("classes") && same("transcode");
  for (const PlannedShard& shard : plan.shards) {
    fs::remove(folder / (shard.file + ".partial"));
    const bool kept = same_options && old_record.at("shards").value(shard.file, json()) == shard.digest;
    if (!kept) fs::remove(folder / shard.file);
  }
  fs::remove(folder / duplicates_file);
  write_durably(folder / record_name, new_record.dump(1) + "\n");
}

void clean_folder(const fs::path& folder, const PackPlan& plan) {
  std::error_code ignored;
  for (const PlannedShard& shard : plan.shards) {
    if (fs::exists(folder / shard.file, ignored)) return;
  }
  fs::remove(folder / record_name, ignored);
  if (fs::is_empty(folder, ignored)) fs::remove(folder, ignored);
}

}  // namespace msn
