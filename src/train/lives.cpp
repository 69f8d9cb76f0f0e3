// SPDX-License-Identifier: Apache-2.0
#include "train/lives.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/files.hpp"
#include "base/hdf5.hpp"
#include "base/log.hpp"
#include "base/utc.hpp"
#include "train/surroundings.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

fs::path run_file(const fs::path& run) {
  return run / "run.json";
}

std::string now_text() {
  return utc_text(std::chrono::system_clock::now());
}

/// run.json as an object whose "lives" is a list, whatever is there.
Json read_run(const fs::path& run) {
  Json json;
  if (fs::exists(run_file(run))) json = Json::parse(read_text(run_file(run)), nullptr, false);
  if (!json.is_object()) json = Json::object();
  if (!json.contains("lives") || !json["lives"].is_array()) json["lives"] = Json::array();
  return json;
}

void write_run(const fs::path& run, const Json& json) {
  write_durably(run_file(run), json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

/// A whole number of an object; nullopt if there is none under this name.
std::optional<std::uint64_t> number(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (found == object.end() || !found->is_number_integer() || *found < 0) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::string text(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() || !found->is_string() ? "" : found->get<std::string>();
}

/// How a life ended in order; nullptr if it was killed, crashed or goes on.
const Json* end_of(const Json& life) {
  const auto found = life.find("ended");
  return found == life.end() || !found->is_object() ? nullptr : &*found;
}

bool is_fruitless(const Json& life, std::uint64_t first_step, const std::string& config_digest) {
  if (!number(life, "life") || number(life, "first_step") != first_step) return false;
  if (text(life, "config_digest") != config_digest || number(life, "saved")) return false;
  const Json* end = end_of(life);
  return end == nullptr || number(*end, "exit") != static_cast<std::uint64_t>(ExitCode::done);
}

std::string how_it_ended(const Json& life) {
  const Json* end = end_of(life);
  if (end == nullptr) return "was killed or crashed";
  const std::string reason = text(*end, "reason");
  return "ended with " + std::to_string(number(*end, "exit").value_or(0)) + (reason.empty() ? "" : ": " + reason);
}

Json ranks_json(const std::vector<RankPlace>& places) {
  Json ranks = Json::array();
  for (const RankPlace& place : places) {
    ranks.push_back({{"rank", place.rank},
                     {"host", place.host},
                     {"device", place.device},
                     {"pci", place.pci},
                     {"cores", place.cores},
                     {"numa", place.numa},
                     {"threads",
                      {{"compute", place.threads.compute},
                       {"loader", place.threads.loader},
                       {"communication", place.threads.communication},
                       {"writer", place.threads.writer}}}});
  }
  return ranks;
}

/// Keeps the file small: a run may have thousands of lives, and each thousands of ranks.
void forget_the_oldest(Json& lives) {
  if (lives.size() > kLivesKept) {
    lives.erase(lives.begin(), lives.begin() + static_cast<std::ptrdiff_t>(lives.size() - kLivesKept));
  }
  for (std::size_t i = 0; i + kLivesWithRanks < lives.size(); ++i) {
    if (lives[i].is_object()) lives[i].erase("ranks");
  }
}

}  // namespace

std::optional<Error> no_progress(const Json& lives, std::uint64_t first_step, const std::string& config_digest,
                                 int allowed, const fs::path& run) {
  const auto count = static_cast<std::size_t>(allowed);
  if (count == 0 || lives.size() < count) return std::nullopt;
  for (std::size_t i = lives.size() - count; i < lives.size(); ++i) {
    if (!is_fruitless(lives[i], first_step, config_digest)) return std::nullopt;
  }
  const std::string which = count == 1 ? "the last life" : "the last " + std::to_string(count) + " lives";
  return Error(ExitCode::no_progress,
               which + " of the run began after step " + std::to_string(first_step) +
                   " and ended without a newer checkpoint; the last one " + how_it_ended(lives.back()),
               run.string(),
               "look at " + (run / "log.txt").string() +
                   " and at the job's output; --set train.max_fruitless_lives=0 tries once more");
}

Life::Life(const World& world, fs::path run, RunLease& lease) : world_(world), run_(std::move(run)), lease_(lease) {}

void Life::begin(const Config& config, const RunFacts& facts) {
  first_step_ = facts.first_step;
  world_.on_root([&]() -> std::string {
    const std::string digest = config_digest(config);
    Json json = read_run(run_);
    Json& lives = json["lives"];
    if (const auto error = no_progress(lives, first_step_, digest, config.train.max_fruitless_lives, run_))
      throw Error(*error);
    lease_.require();
    write_durably(run_ / "config.toml", to_toml(config));
    number_ = 1 + (lives.empty() ? 0 : number(lives.back(), "life").value_or(lives.size()));
    const StepSurroundings here = surroundings_here(world_, facts.threads, facts.device);
    lives.push_back({{"life", *number_},
                     {"generation", lease_.generation()},
                     {"started", now_text()},
                     {"first_step", first_step_},
                     {"world_size", world_.size()},
                     {"threads", facts.threads},
                     {"version", here.version},
                     {"torch", here.torch},
                     {"instruction_set", here.instruction_set},
                     {"processor", here.processor},
                     {"gemm", here.gemm},
                     {"device", here.device},
                     {"backend", facts.backend},
                     {"hdf5", h5::library_version()},
                     {"config_digest", digest},
                     {"ranks", ranks_json(facts.places)}});
    forget_the_oldest(lives);
    write_run(run_,
              {{"seed", config.train.seed}, {"data_fingerprint", facts.data_fingerprint}, {"lives", std::move(lives)}});
    return "";
  });
}

void Life::saved(std::optional<std::uint64_t> step) {
  if (!step || *step <= first_step_) return;
  const bool is_first = !saved_;
  saved_ = step;
  if (is_first) write({{"saved", *step}});
}

void Life::ended(ExitCode code, const std::string& reason) {
  Json change{{"ended", {{"time", now_text()}, {"exit", static_cast<int>(code)}, {"reason", reason}}}};
  if (saved_) change["saved"] = *saved_;
  write(change);
}

void Life::write(const Json& change) {
  if (!number_) return;
  try {
    lease_.require();
    Json json = read_run(run_);
    for (Json& life : json["lives"]) {
      if (number(life, "life") == number_) life.update(change);
    }
    write_run(run_, json);
  } catch (const Error& error) {
    log::warn("run.json does not tell all of this life: " + std::string(error.what()));
  }
}

}  // namespace msn
