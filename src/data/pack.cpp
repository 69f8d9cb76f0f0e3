// SPDX-License-Identifier: Apache-2.0
#include "data/pack.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/folder_lock.hpp"
#include "data/fingerprint.hpp"
#include "data/pack_plan.hpp"
#include "data/pack_shard.hpp"
#include "data/text_list.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::size_t shown_duplicates = 5;

/// Counts images on rank 0, from several threads.
class Counter {
 public:
  explicit Counter(const PackOptions& options, std::uint64_t total) : options_(options) { progress_.total = total; }

  /// A round begins: `mine` images of rank 0, `all` of all ranks.
  void begin(std::uint64_t mine, std::uint64_t all) {
    base_ = progress_.done;
    mine_ = mine;
    all_ = all;
    done_ = 0;
  }
  void step(bool bad) {
    const std::lock_guard guard(mutex_);
    ++done_;
    progress_.done = base_ + all_ * done_ / mine_;
    progress_.bad += bad;
    if (options_.progress) options_.progress(progress_);
  }
  /// The round is over; `bad` images were bad on other ranks.
  void end(std::uint64_t bad) {
    progress_.done = base_ + all_;
    progress_.bad += bad;
  }

 private:
  const PackOptions& options_;
  std::mutex mutex_;
  PackProgress progress_;
  std::uint64_t base_ = 0, mine_ = 1, all_ = 1, done_ = 0;
};

/// What all ranks made, gathered in the order of the shards: what dataset.json says. Rank 0's.
class Summary {
 public:
  Summary(const PackPlan& plan, const PackOptions& options)
      : plan_(plan), options_(options), fingerprint_(plan.sources.classes) {
    report_.ignored = plan.sources.ignored;
    report_.labels_unused = plan.sources.labels_unused;
  }

  void add(const PlannedShard& planned, const PackedShard& shard) {
    const std::span<const SourceItem> items = plan_.items(planned);
    for (const PackedImage& image : shard.images) {
      const SourceItem& item = items[image.item];
      fingerprint_.add(item.name, item.label, image.hash);
      seen_.push_back({image.hash, planned.begin + image.item});
    }
    report_.left_out.insert(report_.left_out.end(), shard.left_out.begin(), shard.left_out.end());
    report_.bytes += shard.bytes;
    report_.transcoded += shard.transcoded;
    report_.shards_reused += shard.reused;
    if (shard.images.empty()) return;
    // What another host wrote must be seen here too.
    std::error_code error;
    const fs::path file = options_.output / planned.file;
    if (fs::file_size(file, error) != shard.file_size || error) {
      throw data_error("a shard that another rank wrote is not there", file.string(),
                       "the output folder must be one that all hosts share");
    }
    report_.manifest.shards.push_back({planned.file, shard.images.size(), shard.file_size, shard.file_hash});
    report_.manifest.count += shard.images.size();
  }

  /// Writes the list of duplicates and dataset.json.
  PackReport finish() {
    DataSetManifest& manifest = report_.manifest;
    if (manifest.count == 0) throw data_error("not one of the images is good", options_.inputs.front());
    write_duplicates();
    manifest.name = set_name_of(options_.output);
    manifest.classes = plan_.sources.classes;
    manifest.fingerprint = fingerprint_.hex();
    manifest.left_out = report_.left_out.size();
    manifest.transcode = options_.transcode;
    write_dataset_manifest(options_.output, manifest);
    return std::move(report_);
  }

 private:
  struct Seen {
    Hash128 hash;
    std::uint64_t item;
    auto operator<=>(const Seen&) const = default;
  };

  void write_duplicates() {
    std::sort(seen_.begin(), seen_.end());
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs;  // Later image, first image.
    for (std::size_t i = 1, first = 0; i < seen_.size(); ++i) {
      if (seen_[i].hash != seen_[first].hash) {
        first = i;
      } else {
        pairs.emplace_back(seen_[i].item, seen_[first].item);
      }
    }
    std::sort(pairs.begin(), pairs.end());
    report_.manifest.duplicates = pairs.size();
    std::string text;
    for (const auto& [later, first] : pairs) {
      const Duplicate pair{plan_.sources.items[later].name, plan_.sources.items[first].name};
      if (report_.duplicates.size() < shown_duplicates) report_.duplicates.push_back(pair);
      text += list_field(one_line(pair.name)) + "," + list_field(one_line(pair.first)) + "\n";
    }
    if (!text.empty()) write_durably(options_.output / duplicates_file, text);
  }

  const PackPlan& plan_;
  const PackOptions& options_;
  PackReport report_;
  Fingerprint fingerprint_;
  std::vector<Seen> seen_;
};

/// A finished data set in the output folder: the same one, or not ours to touch.
PackReport report_finished(const PackOptions& options, const PackPlan& plan, const json& old_record,
                           const json& new_record) {
  if (old_record != new_record) {
    throw data_error("the output folder already holds a data set packed from other images or with other options",
                     options.output.string(), "choose another folder, or delete this one first");
  }
  const DataSet set(options.output);
  PackReport report;
  report.manifest = set.manifest();
  report.ignored = plan.sources.ignored;
  report.labels_unused = plan.sources.labels_unused;
  report.already_complete = true;
  report.shards_reused = set.shards().size();
  for (const Shard& shard : set.shards()) {
    const std::vector<BadImage> bad = shard.left_out();
    report.left_out.insert(report.left_out.end(), bad.begin(), bad.end());
    for (std::size_t i = 0; i < shard.count(); ++i) {
      report.bytes += shard.size_of(i);
      report.transcoded += (shard.flags(i) & flag_transcoded) != 0;
    }
  }
  if (fs::exists(options.output / duplicates_file)) {
    for (const ListLine& line : read_list(options.output / duplicates_file)) {
      if (report.duplicates.size() == shown_duplicates) break;
      report.duplicates.push_back({line.name, line.label.value_or("")});
    }
  }
  if (options.on_bad == OnBad::fail && report.manifest.left_out > 0) {
    throw data_error(
        "the data set is complete, but " + std::to_string(report.manifest.left_out) + " bad files were left out of it",
        options.output.string(), "pass --on-bad skip, or repair the files and pack into another folder");
  }
  return report;
}

/// What rank 0 does before any shard: the plan, and the folder made ready. A report if there is nothing to do.
std::optional<PackReport> prepare(const PackOptions& options, PackPlan& plan, std::optional<FolderLock>& lock) {
  plan = make_plan(options);
  const json new_record = record_of(plan, options);
  const json old_record = read_record(options.output);
  if (fs::exists(options.output / "dataset.json")) return report_finished(options, plan, old_record, new_record);
  if (fs::exists(options.output) && !fs::is_directory(options.output)) {
    throw data_error("the output is no folder", options.output.string());
  }
  std::error_code error;
  fs::create_directories(options.output, error);
  if (error) throw data_error("cannot make the output folder: " + error.message(), options.output.string());
  lock = FolderLock::exclusive(options.output);
  prepare_folder(options.output, plan, old_record, new_record);
  lock->share();
  return std::nullopt;
}

/// The ranks take a shard each, round after round: an error ends the job within a round, and the lowest shard's is the
/// one that is told.
void pack_rounds(const World& world, const PackPlan& plan, const PackOptions& options, Summary& summary) {
  std::optional<SourceReader> reader;
  world.agree([&] { reader.emplace(plan.sources); });
  const bool root = world.rank() == 0;
  const auto size = static_cast<std::size_t>(world.size());
  const std::size_t shards = plan.shards.size();
  Counter counter(options, plan.sources.items.size());
  ShardTools tools{plan, options, *reader, options.workers, {}};
  if (root) tools.step = [&](bool bad) { counter.step(bad); };
  for (std::size_t first = 0; first < shards; first += size) {
    const std::size_t mine = first + static_cast<std::size_t>(world.rank());
    const std::size_t end = std::min(shards, first + size);
    counter.begin(plan.shards[first].end - plan.shards[first].begin,
                  plan.shards[end - 1].end - plan.shards[first].begin);
    std::string made;
    world.agree([&] {
      if (mine < shards) made = to_bytes(pack_shard(tools, plan.shards[mine]));
    });
    const std::vector<std::string> all = world.gather(made);
    world.on_root([&] {
      std::uint64_t bad = 0;
      for (std::size_t k = first; k < end; ++k) {
        const PackedShard shard = shard_from_bytes(all[k - first]);
        summary.add(plan.shards[k], shard);
        if (k != first) bad += shard.left_out.size();
      }
      counter.end(bad);
      return std::string();
    });
  }
}

}  // namespace

PackReport pack(const World& world, const PackOptions& options) {
  PackPlan plan;
  std::optional<FolderLock> lock;
  std::optional<PackReport> finished;
  const std::string shared = world.on_root([&] {
    finished = prepare(options, plan, lock);
    return finished || world.size() == 1 ? std::string() : to_bytes(plan);
  });
  if (world.size() > 1 && shared.empty()) return finished.value_or(PackReport{});
  if (finished) return *std::move(finished);
  // No rank leaves while another holds the lock: whoever packs into the folder next would take it for another job's.
  const auto unlock = [&] {
    lock.reset();
    world.barrier();
  };
  try {
    world.agree([&] {
      if (world.rank() == 0) return;
      plan = plan_from_bytes(shared);
      lock = FolderLock::shared(options.output);
    });
    Summary summary(plan, options);
    pack_rounds(world, plan, options, summary);
    PackReport report;
    world.on_root([&] {
      report = summary.finish();
      return std::string();
    });
    unlock();
    return report;
  } catch (const AgreedError&) {
    if (world.rank() == 0) clean_folder(options.output, plan);
    unlock();
    throw;
  }
}

PackReport pack(const PackOptions& options) {
  return pack(World::alone(), options);
}

}  // namespace msn
