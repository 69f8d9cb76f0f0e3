// SPDX-License-Identifier: Apache-2.0
#include "data/pack.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "data/decode.hpp"
#include "data/workers.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// How an output folder is being packed: which sources each shard is made from. Kept beside the shards, so that a later
/// run knows what is still true; the shards themselves hold no time stamps.
constexpr char plan_name[] = "pack.json";

struct PlannedShard {
  std::string file;
  std::span<const SourceItem> items;
  std::string digest;  ///< Of the names, labels, sizes and time stamps of the items.
};

/// The last part of the output path, which also begins the names of the shards.
std::string set_name(const fs::path& output) {
  const fs::path whole = fs::absolute(output).lexically_normal();
  const std::string name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  if (!is_utf8(name)) throw usage_error("the name of the output folder is not UTF-8", one_line(name), "choose another");
  return name.empty() || name.front() == '.' ? "dataset" : name;
}

std::string digest_of(std::span<const SourceItem> items) {
  Hasher hasher;
  for (const SourceItem& item : items) {
    hasher.update(json{item.name, item.label, item.size, item.modified, item.file.empty()}.dump());
  }
  return hasher.hex();
}

std::vector<PlannedShard> plan_shards(const Sources& sources, const PackOptions& options) {
  const std::span<const SourceItem> all(sources.items);
  std::vector<std::size_t> ends;
  if (options.shards) {
    if (*options.shards == 0 || *options.shards > all.size()) {
      throw usage_error(
          "cannot cut " + std::to_string(all.size()) + " images into " + std::to_string(*options.shards) + " shards",
          "--shards");
    }
    for (std::uint64_t k = 1; k <= *options.shards; ++k)
      ends.push_back(all.size() * k / *options.shards);
  } else {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      bytes += all[i].size;
      if (i + 1 == all.size() || bytes + all[i + 1].size > options.shard_bytes) {
        ends.push_back(i + 1);
        bytes = 0;
      }
    }
  }
  const std::string name = set_name(options.output);
  std::vector<PlannedShard> plan;
  std::size_t begin = 0;
  for (std::size_t k = 0; k < ends.size(); ++k) {
    char number[48];
    std::snprintf(number, sizeof number, "-%05zu-of-%05zu.h5", k, ends.size());
    const auto items = all.subspan(begin, ends[k] - begin);
    plan.push_back({name + number, items, digest_of(items)});
    begin = ends[k];
  }
  return plan;
}

json to_json(const Sources& sources, const std::vector<PlannedShard>& plan) {
  json shards = json::object();
  for (const PlannedShard& shard : plan)
    shards[shard.file] = shard.digest;
  return {{"classes", sources.classes}, {"shards", shards}};
}

/// What an earlier run left, or null.
json read_plan(const fs::path& folder) {
  if (!fs::exists(folder / plan_name)) return nullptr;
  const json plan = json::parse(read_text(folder / plan_name), nullptr, false);
  return plan.is_object() && plan.contains("shards") && plan["shards"].is_object() ? plan : json(nullptr);
}

/// Makes the output folder ready: keeps complete shards that the new plan makes again the same, removes the others of
/// the same name, refuses what is not ours.
void prepare_folder(const fs::path& folder, const std::vector<PlannedShard>& plan, const json& old, const json& now) {
  if (fs::exists(folder) && !fs::is_directory(folder)) throw data_error("the output is no folder", folder.string());
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw data_error("cannot make the output folder: " + error.message(), folder.string());
  const std::set<std::string> own{plan_name, std::string(plan_name) + ".tmp", "dataset.json.tmp"};
  std::set<std::string> planned;
  for (const PlannedShard& shard : plan) {
    planned.insert(shard.file);
    planned.insert(shard.file + ".partial");
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!own.contains(name) && (old.is_null() || !planned.contains(name))) {
      throw data_error("the output folder holds other files", entry.path().string(),
                       "choose an empty or new folder, or delete this one");
    }
  }
  const bool same_classes = !old.is_null() && old.value("classes", json()) == now.at("classes");
  for (const PlannedShard& shard : plan) {
    fs::remove(folder / (shard.file + ".partial"));
    if (!same_classes || old.at("shards").value(shard.file, json()) != shard.digest) fs::remove(folder / shard.file);
  }
  write_durably(folder / plan_name, now.dump(1) + "\n");
}

/// After an error: an output folder in which no shard was finished is emptied, and deleted if that is all there was.
void clean_up(const fs::path& folder, const std::vector<PlannedShard>& plan) {
  std::error_code ignored;
  for (const PlannedShard& shard : plan) {
    if (fs::exists(folder / shard.file, ignored)) return;
  }
  fs::remove(folder / plan_name, ignored);
  if (fs::is_empty(folder, ignored)) fs::remove(folder, ignored);
}

/// Decodes an image once, to know that it can be, and notes what it is.
void examine(ShardItem& item) {
  const ImageFacts facts = probe(item.bytes);
  decode(item.bytes);
  item.width = static_cast<std::uint16_t>(facts.width);
  item.height = static_cast<std::uint16_t>(facts.height);
  const bool png = facts.format == ImageFormat::png;
  int flags = png ? flag_png : 0;
  if (facts.components <= 2) flags |= flag_gray;
  if (!png && facts.components == 4) flags |= flag_cmyk;
  if (facts.orientation > 1) flags |= flag_oriented;
  item.flags = static_cast<std::uint8_t>(flags);
}

using Hash128 = std::array<std::uint64_t, 2>;

Hash128 hash_of(std::span<const std::byte> bytes) {
  const std::string hex = hash_hex(bytes);
  Hash128 hash{};
  for (std::size_t i = 0; i < 2; ++i)
    std::from_chars(hex.data() + 16 * i, hex.data() + 16 * (i + 1), hash[i], 16);
  return hash;
}

/// Packs shard after shard and gathers what dataset.json says.
class Packer {
 public:
  Packer(const PackOptions& options, const Sources& sources)
      : options_(options), sources_(sources), workers_(options.workers > 0 ? options.workers : allowed_cores()) {
    progress_.total = sources.items.size();
    report_.ignored = sources.ignored;
    fingerprint_.update(json(sources.classes).dump());
  }

  void add(const PlannedShard& planned) {
    const fs::path file = options_.output / planned.file;
    if (fs::exists(file)) {
      reuse(file, planned);
    } else {
      make(file, planned);
    }
    if (!fs::exists(file)) return;  // Every image of it was bad.
    ShardEntry& entry = report_.manifest.shards.emplace_back();
    entry.file = planned.file;
    entry.count = count_;
    entry.size = fs::file_size(file);
    entry.hash = hash_file(file);
    report_.manifest.count += count_;
  }

  PackReport finish() {
    report_.manifest.fingerprint = fingerprint_.hex();
    report_.manifest.left_out = report_.left_out.size();
    std::sort(hashes_.begin(), hashes_.end());
    const auto distinct = std::unique(hashes_.begin(), hashes_.end()) - hashes_.begin();
    report_.manifest.duplicates = hashes_.size() - static_cast<std::size_t>(distinct);
    return std::move(report_);
  }

 private:
  void make(const fs::path& file, const PlannedShard& planned) {
    const std::size_t n = planned.items.size();
    std::vector<ShardItem> items(n);
    std::vector<std::string> problem(n);
    std::vector<Hash128> hash(n);
    for_each_parallel(n, workers_, [&](std::size_t i) {
      const SourceItem& source = planned.items[i];
      ShardItem& item = items[i];
      try {
        item.bytes = fetch(sources_, source);
        examine(item);
      } catch (const Error& error) {
        problem[i] = error.problem();
        if (options_.on_bad == OnBad::fail) throw refuse(source.file.string(), problem[i]);
      }
      item.name = source.name;
      item.label = source.label;
      hash[i] = hash_of(item.bytes);
      step(!problem[i].empty());
    });
    std::vector<BadImage> bad;
    std::size_t good = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (!problem[i].empty()) {
        bad.push_back({items[i].name, problem[i]});
        continue;
      }
      record(items[i].name, items[i].label, items[i].bytes.size(), hash[i]);
      if (good != i) items[good] = std::move(items[i]);
      ++good;
    }
    items.resize(good);
    count_ = good;
    report_.left_out.insert(report_.left_out.end(), bad.begin(), bad.end());
    if (good > 0) write_shard(file, items, bad);
  }

  void reuse(const fs::path& file, const PlannedShard& planned) {
    const Shard shard(file);
    const std::vector<std::string> names = shard.names();
    const std::vector<BadImage> bad = shard.left_out();
    if (options_.on_bad == OnBad::fail && !bad.empty()) throw refuse(bad.front().name, bad.front().reason);
    if (shard.count() + bad.size() != planned.items.size() || names.size() != shard.count()) {
      throw data_error("the shard does not hold what it was packed from", file.string(), "delete it and run again");
    }
    std::vector<Hash128> hash(shard.count());
    for_each_parallel(shard.count(), workers_, [&](std::size_t i) {
      hash[i] = hash_of(shard.read(i));
      step(false);
    });
    for (std::size_t i = 0; i < shard.count(); ++i)
      record(names[i], shard.label(i), shard.size_of(i), hash[i]);
    for (std::size_t i = 0; i < bad.size(); ++i)
      step(true);
    count_ = shard.count();
    ++report_.shards_reused;
    report_.left_out.insert(report_.left_out.end(), bad.begin(), bad.end());
  }

  static Error refuse(const std::string& name, const std::string& reason) {
    return data_error("bad image: " + reason, name,
                      "repair or remove it, or pass --on-bad skip to leave such files out");
  }

  void record(const std::string& name, std::int32_t label, std::size_t size, const Hash128& hash) {
    fingerprint_.update(json{name, label, hash}.dump());
    hashes_.push_back(hash);
    report_.bytes += size;
  }

  void step(bool bad) {
    const std::lock_guard guard(mutex_);
    ++progress_.done;
    progress_.bad += bad;
    if (options_.progress) options_.progress(progress_);
  }

  const PackOptions& options_;
  const Sources& sources_;
  int workers_;
  std::mutex mutex_;
  PackProgress progress_;
  PackReport report_;
  Hasher fingerprint_;
  std::vector<Hash128> hashes_;
  std::uint64_t count_ = 0;  ///< Images in the shard just added.
};

/// A finished data set in the output folder: the same one, or not ours to touch.
PackReport report_finished(const PackOptions& options, const Sources& sources, const json& old, const json& now) {
  if (old != now) {
    throw data_error("the output folder already holds a data set packed from other images or with other options",
                     options.output.string(), "choose another folder, or delete this one first");
  }
  const DataSet set(options.output);
  PackReport report;
  report.manifest = set.manifest();
  report.ignored = sources.ignored;
  report.already_complete = true;
  report.shards_reused = set.shards().size();
  for (const Shard& shard : set.shards()) {
    const std::vector<BadImage> bad = shard.left_out();
    report.left_out.insert(report.left_out.end(), bad.begin(), bad.end());
    for (std::size_t i = 0; i < shard.count(); ++i)
      report.bytes += shard.size_of(i);
  }
  if (options.on_bad == OnBad::fail && report.manifest.left_out > 0) {
    throw data_error(
        "the data set is complete, but " + std::to_string(report.manifest.left_out) + " bad files were left out of it",
        options.output.string(), "pass --on-bad skip, or repair the files and pack into another folder");
  }
  return report;
}

}  // namespace

PackReport pack(const PackOptions& options) {
  const Sources sources = list_sources(options.inputs, options.labels);
  const std::vector<PlannedShard> plan = plan_shards(sources, options);
  const json now = to_json(sources, plan);
  const json old = read_plan(options.output);
  if (fs::exists(options.output / "dataset.json")) return report_finished(options, sources, old, now);
  prepare_folder(options.output, plan, old, now);
  try {
    Packer packer(options, sources);
    for (const PlannedShard& shard : plan)
      packer.add(shard);
    PackReport report = packer.finish();
    if (report.manifest.count == 0) throw data_error("not one of the images is good", options.inputs.front());
    report.manifest.name = set_name(options.output);
    report.manifest.classes = sources.classes;
    write_dataset_manifest(options.output, report.manifest);
    return report;
  } catch (...) {
    clean_up(options.output, plan);
    throw;
  }
}

std::uint64_t parse_size(std::string_view text) {
  static const std::map<std::string_view, std::uint64_t> units{{"", 1},
                                                               {"B", 1},
                                                               {"KiB", std::uint64_t{1} << 10},
                                                               {"MiB", std::uint64_t{1} << 20},
                                                               {"GiB", std::uint64_t{1} << 30},
                                                               {"TiB", std::uint64_t{1} << 40},
                                                               {"kB", 1000},
                                                               {"MB", 1000000},
                                                               {"GB", 1000000000},
                                                               {"TB", 1000000000000}};
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = units.find(std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end)));
  if (error != std::errc{} || unit == units.end() || number == 0 || number > (~std::uint64_t{0} >> 1) / unit->second) {
    throw usage_error("\"" + std::string(text) + "\" is no size", "", "write for instance 1GiB or 500MB");
  }
  return number * unit->second;
}

}  // namespace msn
