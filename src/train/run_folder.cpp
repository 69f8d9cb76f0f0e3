// SPDX-License-Identifier: Apache-2.0
#include "train/run_folder.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/log.hpp"
#include "checkpoint/choose.hpp"
#include "checkpoint/manifest.hpp"
#include "comm/shared_folder.hpp"
#include "train/surroundings.hpp"

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

std::string text_of(const ConfigDifference& difference) {
  return difference.key + " was " + difference.before + ", is now " + difference.after;
}

/// Refuses what changes numbers and is not forced, all of it in one line; warns of what was forced and of what changes
/// what the run does; tells of the rest.
void check_config(const Config& before, const Config& now, const fs::path& checkpoint,
                  const std::vector<std::string>& forced) {
  const auto add = [](std::string& list, const std::string& item, const char* between) {
    list += (list.empty() ? "" : between) + item;
  };
  std::string refused, flags, free;
  std::vector<std::string> unneeded = forced;
  for (const ConfigDifference& difference : compare_configs(before, now)) {
    std::erase(unneeded, difference.key);
    const bool is_forced = std::find(forced.begin(), forced.end(), difference.key) != forced.end();
    if (difference.effect == Effect::numbers && !is_forced) {
      add(refused, text_of(difference), "; ");
      add(flags, "--force-resume " + difference.key, " ");
    } else if (difference.effect == Effect::numbers) {
      log::warn("resuming although " + text_of(difference));
    } else if (difference.effect == Effect::rounding) {
      log::warn("not bit-comparable with the run's earlier life, but equal to rounding, because " +
                text_of(difference));
    } else if (difference.effect == Effect::policy) {
      log::warn("from here on another policy: " + text_of(difference));
    } else {
      add(free, text_of(difference), "; ");
    }
  }
  if (!refused.empty()) {
    throw config_error("the configuration is not the checkpoint's: " + refused, checkpoint.string(),
                       "set it back, give another --run, or resume all the same with " + flags);
  }
  if (!free.empty()) log::info("differs from the checkpoint's run, without effect on its numbers: " + free);
  // No error: a job that is submitted again as it is has taken the new value over by then.
  for (const std::string& key : unneeded)
    log::info("--force-resume " + key + " is not needed: it is as the checkpoint's run had it");
}

}  // namespace

void make_run_folder(const World& world, const fs::path& run) {
  world.on_root([&]() -> std::string {
    make_folder(run);
    return "";
  });
}

void check_run_folder(const World& world, const fs::path& run) {
  if (world.any(world.local_size() < world.size())) check_shared_folder(world, run);
}

std::optional<fs::path> open_run(const World& world, const fs::path& run, const Config& config,
                                 const std::string& data_fingerprint, const Resume& resume) {
  const std::string chosen = world.on_root([&]() -> std::string {
    make_folder(run / "checkpoints");
    log::add_file(run / "log.txt");
    if (resume.from == Resume::From::never) {
      if (!fs::is_empty(run / "checkpoints")) {
        throw usage_error("the run folder holds checkpoints already", run.string(),
                          "give another --run, delete the folder, or go on with --resume auto");
      }
      return "";
    }
    const Choice choice = resume.from == Resume::From::step ? choose_step(run, resume.step) : choose_newest(run);
    if (!choice.checkpoint) return "";
    const fs::path& checkpoint = choice.checkpoint->folder;
    const CheckpointFacts facts = read_manifest(checkpoint).facts;
    check_config(parse_config(facts.config_toml, checkpoint.string()), config, checkpoint, resume.forced_keys);
    if (facts.data_fingerprint != data_fingerprint) {
      throw data_error("the data set is not the one that the checkpoint was trained on", config.data.path.string(),
                       "give the same packed data set (its fingerprint stands in dataset.json), or another --run");
    }
    set_aside(run, choice);
    return checkpoint.string();
  });
  return chosen.empty() ? std::nullopt : std::optional<fs::path>(chosen);
}

void tell_if_not_comparable(const World& world, const fs::path& checkpoint, int threads, const std::string& device) {
  world.on_root([&]() -> std::string {
    const std::string why =
        why_not_bits(surroundings_of(read_manifest(checkpoint)), surroundings_here(world, threads, device));
    if (!why.empty())
      log::warn("not bit-comparable with the run's earlier life, but equal to rounding, because " + why);
    return "";
  });
}

}  // namespace msn
