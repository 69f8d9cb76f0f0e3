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
#include "checkpoint/choose.hpp"
#include "checkpoint/manifest.hpp"
#include "train/surroundings.hpp"

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

std::optional<fs::path> open_run(const World& world, const fs::path& run, const Config& config,
                                 const std::string& data_fingerprint, const Resume& resume) {
  const std::string chosen = world.on_root([&]() -> std::string {
    make_folder(run);
    check_writable(run);
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

void tell_if_not_comparable(const World& world, const fs::path& checkpoint, int threads) {
  world.on_root([&]() -> std::string {
    const std::string why = why_not_bits(surroundings_of(read_manifest(checkpoint)), surroundings_here(world, threads));
    if (!why.empty())
      log::warn("not bit-comparable with the run's earlier life, but equal to rounding, because " + why);
    return "";
  });
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
    const StepSurroundings here = surroundings_here(world, facts.threads);
    lives.push_back({{"started", utc_now()},
                     {"first_step", facts.first_step},
                     {"world_size", world.size()},
                     {"ranks", ranks},
                     {"threads", facts.threads},
                     {"version", here.version},
                     {"torch", here.torch},
                     {"instruction_set", here.instruction_set},
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
