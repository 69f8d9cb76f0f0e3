// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/choose.hpp"

#include <string>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// A whole checkpoint, and of the step that its folder's name says: a copy under another name is none of that step.
void check_candidate(const Candidate& candidate) {
  verify_checkpoint(candidate.folder);
  const std::uint64_t step = read_manifest_alone(candidate.folder).facts.step;
  if (step != candidate.step) {
    throw data_error("the checkpoint is of step " + std::to_string(step) + ", as its manifest says",
                     candidate.folder.string(), "give its folder that name, or use another checkpoint");
  }
}

[[noreturn]] void refuse_none(const fs::path& run, std::size_t candidates) {
  const std::string where = checkpoints_folder(run).string();
  if (candidates > 0) {
    throw data_error("none of the run's " + std::to_string(candidates) + " checkpoints is whole", where,
                     "restore one from a copy, or begin a new run in another folder");
  }
  throw data_error("the run has no checkpoint but what was set aside, such as " + list_aside(run).front(), where,
                   "give one its name back (step-NNNNNNNN) if it is whole, or begin a new run in another folder");
}

}  // namespace

Choice choose_newest(const fs::path& run, std::uint64_t last_step) {
  for (const Stranger& stranger : list_strangers(run))
    log::warn("passing over " + stranger.what + " (" + stranger.path.string() + ")");
  const std::vector<Candidate> all = list_checkpoints(run);
  if (all.empty() && !list_aside(run).empty()) refuse_none(run, 0);
  Choice choice;
  std::size_t tried = 0;
  for (const Candidate& candidate : all) {
    if (candidate.step > last_step) continue;
    ++tried;
    try {
      check_candidate(candidate);
      choice.checkpoint = candidate;
      return choice;
    } catch (const NewerVersionError&) {
      throw;
    } catch (const SystemError& error) {
      log::warn("passing over a checkpoint that cannot be read now: " + std::string(error.what()));
    } catch (const Error& error) {
      log::warn("passing over a checkpoint: " + std::string(error.what()));
      choice.damaged.push_back(candidate);
    }
  }
  if (tried > 0) refuse_none(run, tried);
  return choice;
}

Choice choose_step(const fs::path& run, std::uint64_t step) {
  Choice choice;
  for (const Candidate& candidate : list_checkpoints(run)) {
    if (candidate.step > step) {
      choice.abandoned.push_back(candidate);
    } else if (candidate.step == step) {
      check_candidate(candidate);
      choice.checkpoint = candidate;
      return choice;
    }
  }
  for (const Stranger& stranger : list_strangers(run)) {
    if (stranger.path.filename() == step_name(step))
      throw data_error(stranger.what, stranger.path.string(), "put the folder itself there");
  }
  throw data_error("the run has no checkpoint of step " + std::to_string(step), checkpoints_folder(run).string(),
                   "list them with msn inspect");
}

void set_aside(const fs::path& run, const Choice& choice) {
  if (!choice.checkpoint || (choice.damaged.empty() && choice.abandoned.empty())) return;
  // First, so that it never names what is not there.
  write_latest(run, choice.checkpoint->step);
  const auto rename = [&](const Candidate& candidate, Aside why) {
    const fs::path aside = aside_folder(run, why, candidate.step);
    rename_durably(candidate.folder, aside);
    return aside.filename().string() + " (" + checkpoints_folder(run).string() + ")";
  };
  for (const Candidate& candidate : choice.damaged) {
    try {
      log::warn("the damaged checkpoint is set aside as " + rename(candidate, Aside::damaged));
    } catch (const Error& error) {
      log::warn("a damaged checkpoint keeps its name: " + std::string(error.what()));
    }
  }
  for (const Candidate& candidate : choice.abandoned) {
    log::warn("going back to step " + std::to_string(choice.checkpoint->step) +
              ": the newer checkpoint is set aside as " + rename(candidate, Aside::abandoned));
  }
}

std::optional<fs::path> find_newest_checkpoint(const fs::path& run, std::uint64_t last_step) {
  const Choice choice = choose_newest(run, last_step);
  return choice.checkpoint ? std::optional(choice.checkpoint->folder) : std::nullopt;
}

fs::path find_checkpoint(const fs::path& run, std::uint64_t step) {
  return choose_step(run, step).checkpoint->folder;
}

}  // namespace msn
