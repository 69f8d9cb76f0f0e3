// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <system_error>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/inject.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

struct WholeCheckpoints {
  std::vector<Candidate> newest_first;
  std::vector<MeasuredCheckpoint> measured;
};

/// By their manifests and the sizes of their files: enough to count them, cheap enough after every write.
WholeCheckpoints whole_checkpoints(const fs::path& run) {
  WholeCheckpoints whole;
  for (const Candidate& candidate : list_checkpoints(run)) {
    try {
      const Manifest manifest = read_manifest(candidate.folder);
      whole.newest_first.push_back(candidate);
      if (manifest.facts.knn_top1) whole.measured.push_back({candidate.step, *manifest.facts.knn_top1});
    } catch (const Error&) {
      // Neither counted nor deleted.
    }
  }
  return whole;
}

/// First out of sight under a name that no reader takes for a checkpoint, then away: a crash leaves nothing
/// half-deleted.
void delete_checkpoint(const fs::path& run, const Candidate& checkpoint) {
  const fs::path doomed = deleted_folder(run, checkpoint.step);
  rename_durably(checkpoint.folder, doomed);
  inject("retention-renamed", 0);
  remove_folder(doomed);
}

}  // namespace

bool is_pinned(const fs::path& run, std::uint64_t step) {
  std::error_code ignored;
  // One that cannot be examined may be there.
  return fs::symlink_status(pin_file(run, step), ignored).type() != fs::file_type::not_found;
}

bool is_kept_for_ever(const RetentionRules& rules, std::uint64_t step) {
  return rules.keep_every > 0 && step % static_cast<std::uint64_t>(rules.keep_every) == 0;
}

std::vector<std::uint64_t> best_steps(std::vector<MeasuredCheckpoint> checkpoints, int count) {
  std::sort(checkpoints.begin(), checkpoints.end(), [](const MeasuredCheckpoint& a, const MeasuredCheckpoint& b) {
    return a.accuracy != b.accuracy ? a.accuracy > b.accuracy : a.step > b.step;
  });
  std::vector<std::uint64_t> steps;
  for (std::size_t i = 0; i < checkpoints.size() && i < static_cast<std::size_t>(count); ++i)
    steps.push_back(checkpoints[i].step);
  return steps;
}

void apply_retention(const fs::path& run, const RetentionRules& rules) {
  MSN_CHECK(rules.keep >= 1);
  try {
    const auto latest = read_latest(run);
    const WholeCheckpoints whole = whole_checkpoints(run);
    const std::vector<std::uint64_t> best = best_steps(whole.measured, rules.keep_best);
    int counted = 0;
    for (const auto& checkpoint : whole.newest_first) {
      const std::uint64_t step = checkpoint.step;
      const bool stays = counted < rules.keep || step == latest || is_kept_for_ever(rules, step) ||
                         std::find(best.begin(), best.end(), step) != best.end() || is_pinned(run, step) ||
                         (step == rules.restored_from && !(latest && *latest > step));
      ++counted;
      if (stays) continue;
      try {
        delete_checkpoint(run, checkpoint);
      } catch (const Error& error) {
        log::warn(std::string("an old checkpoint stays: ") + error.what());
      }
    }
  } catch (const Error& error) {
    log::warn(std::string("old checkpoints stay: ") + error.what());
  }
}

}  // namespace msn
