// SPDX-License-Identifier: Apache-2.0
#include "train/non_finite.hpp"

#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"

namespace msn {

namespace {

/// Why no more steps may be left out; empty if this one may.
std::string spent_budget(const TrainConfig& config, const TrainState& state) {
  const auto spent = [](std::uint64_t skipped, int allowed) { return skipped >= static_cast<std::uint64_t>(allowed); };
  if (spent(state.skipped_in_a_row, config.max_skipped_in_a_row)) {
    return "after " + std::to_string(state.skipped_in_a_row) +
           " skipped steps in a row, train.max_skipped_in_a_row = " + std::to_string(config.max_skipped_in_a_row);
  }
  if (spent(state.skipped, config.max_skipped)) {
    return "after " + std::to_string(state.skipped) +
           " skipped steps in all, train.max_skipped = " + std::to_string(config.max_skipped);
  }
  return {};
}

/// What to do next, with what became of the state.
std::string remedy(const TrainState& state, const std::optional<Error>& not_saved, bool bundle_is_kept) {
  std::string text = "the newest checkpoint, of step " + std::to_string(state.step) + ", is from before it";
  if (state.step == 0) text = "it is the run's first step";
  if (not_saved) text = "the state before it was not saved, because " + std::string(not_saved->what());
  if (bundle_is_kept) text += "; --replay runs the step again";
  return text +
         "; a lower optim.lr or optim.clip or a longer warm-up may help, train.non_finite = \"skip\" leaves single "
         "steps out";
}

}  // namespace

void count_skipped(TrainState& state) {
  ++state.step;
  ++state.skipped;
  ++state.skipped_in_a_row;
}

void skip_or_end(const World& world, const TrainConfig& config, const std::filesystem::path& run,
                 const StepBundle& bundle, TrainState& state, const std::function<void()>& save) {
  const std::string problem = what_is_not_finite(bundle) + " in step " + std::to_string(bundle.step);
  std::string where = hosts_not_finite(bundle);
  bool kept = true;
  try {
    world.on_root([&] {
      write_bundle(run, bundle);
      return std::string();
    });
    where += (where.empty() ? "" : ", ") + bundle_file(run, bundle.step).string();
  } catch (const AgreedError& error) {
    kept = false;
    log::warn(std::string("no bundle of the step is kept: ") + error.what());
  }

  const bool skips = config.non_finite == NonFinite::skip;
  const std::string spent = skips ? spent_budget(config, state) : "";
  if (skips && spent.empty()) {
    count_skipped(state);
    log::warn("skipping a step: " + problem + " (" + where + "); " + std::to_string(state.skipped_in_a_row) +
              " skipped in a row, " + std::to_string(state.skipped) + " in all");
    return;
  }
  std::optional<Error> not_saved;
  try {
    save();
  } catch (const AgreedError& error) {
    not_saved = error;
  }
  throw AgreedError(
      numerics_error(problem + (spent.empty() ? "" : ", " + spent), where, remedy(state, not_saved, kept)));
}

}  // namespace msn
