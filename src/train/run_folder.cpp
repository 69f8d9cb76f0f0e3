// SPDX-License-Identifier: Apache-2.0
#include "train/run_folder.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

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

void make_run_folder(const World& world, const fs::path& run) {
  world.on_root([&]() -> std::string {
    make_folder(run);
    return "";
  });
}

std::optional<fs::path> open_run(const World& world, const fs::path& run, const Config& config,
                                 const std::string& data_fingerprint, const Resume& resume) {
  const std::string chosen = world.on_root([&]() -> std::string {
    make_folder(run / "checkpoints");
    sweep(run);  // Also from under a job that has lost the folder, so that it finds nothing to publish if it comes back.
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

}  // namespace msn
