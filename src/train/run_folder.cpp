// SPDX-License-Identifier: Apache-2.0
#include "train/run_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hdf5.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void make_folder(const fs::path& folder) {
  if (fs::is_directory(folder)) return;
  if (fs::exists(folder)) throw data_error("the run's path is not a folder", folder.string(), "give another --run");
  std::error_code failed;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), failed);
  if (failed || ::mkdir(folder.c_str(), 0750) != 0) {
    throw system_error("cannot make the run folder", folder.string(), failed ? failed.value() : errno,
                       "give a --run in a folder that you may write to");
  }
}

/// Root may write to a read-only mode, but not to a read-only file system: only trying tells.
void check_writable(const fs::path& folder) {
  const fs::path probe = folder / ".writable";
  if (::access(folder.c_str(), W_OK) != 0) {
    throw system_error("cannot write to the run folder", folder.string(), errno,
                       "give a --run that you may write to, or change its permissions");
  }
  write_durably(probe, "");
  fs::remove(probe);
}

void check_same_numbers(const Config& before, const Config& now, const fs::path& checkpoint,
                        const std::vector<std::string>& forced) {
  for (const ConfigDifference& difference : compare_configs(before, now)) {
    if (!difference.changes_numbers) continue;
    const std::string change = difference.key + " was " + difference.before + ", is now " + difference.after;
    if (std::find(forced.begin(), forced.end(), difference.key) != forced.end()) {
      log::warn("resuming although " + change);
      continue;
    }
    throw config_error("the configuration is not the checkpoint's: " + change, checkpoint.string(),
                       "set it back, give another --run, or resume all the same with --force-resume " + difference.key);
  }
}

}  // namespace

std::optional<fs::path> open_run(const World& world, const fs::path& run, const Config& config,
                                 const std::string& data_fingerprint, const Resume& resume) {
  const std::string chosen = world.on_root([&]() -> std::string {
    make_folder(run);
    check_writable(run);
    make_folder(run / "checkpoints");
    if (resume.from == Resume::From::never) {
      if (!fs::is_empty(run / "checkpoints")) {
        throw usage_error("the run folder holds checkpoints already", run.string(),
                          "give another --run, delete the folder, or go on with --resume auto");
      }
      return "";
    }
    const std::optional<fs::path> checkpoint =
        resume.from == Resume::From::step ? find_checkpoint(run, resume.step) : find_newest_checkpoint(run);
    if (!checkpoint) return "";
    const CheckpointFacts facts = read_manifest(*checkpoint).facts;
    check_same_numbers(parse_config(facts.config_toml, checkpoint->string()), config, *checkpoint, resume.forced_keys);
    if (facts.data_fingerprint != data_fingerprint) {
      throw data_error("the data set is not the one that the checkpoint was trained on", config.data.path.string(),
                       "give the same packed data set (its fingerprint stands in dataset.json), or another --run");
    }
    return checkpoint->string();
  });
  return chosen.empty() ? std::nullopt : std::optional<fs::path>(chosen);
}

void record_life(const World& world, const fs::path& run, const Config& config, const RunFacts& facts) {
  world.on_root([&]() -> std::string {
    write_durably(run / "config.toml", to_toml(config));
    nlohmann::json lives = nlohmann::json::array();
    if (fs::exists(run / "run.json")) {
      const auto earlier = nlohmann::json::parse(read_text(run / "run.json"), nullptr, false);
      if (earlier.is_object() && earlier.contains("lives") && earlier["lives"].is_array()) lives = earlier["lives"];
    }
    nlohmann::json ranks = nlohmann::json::array();
    for (const RankPlace& place : facts.places) {
      ranks.push_back({{"rank", place.rank},
                       {"host", place.host},
                       {"device", place.device},
                       {"pci", place.pci},
                       {"cores", place.cores},
                       {"numa", place.numa}});
    }
    lives.push_back({{"started", utc_now()},
                     {"first_step", facts.first_step},
                     {"world_size", world.size()},
                     {"ranks", ranks},
                     {"threads", facts.threads},
                     {"backend", facts.backend},
                     {"hdf5", h5::library_version()},
                     {"config_digest", config_digest(config)}});
    const nlohmann::json run_json = {
        {"seed", config.train.seed}, {"data_fingerprint", facts.data_fingerprint}, {"lives", lives}};
    write_durably(run / "run.json", run_json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return "";
  });
}

}  // namespace msn
