// SPDX-License-Identifier: Apache-2.0
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

/// By its manifest and the sizes of its files: enough to count it, cheap enough after every write.
bool looks_whole(const fs::path& checkpoint) {
  try {
    read_manifest(checkpoint);
    return true;
  } catch (const Error&) {
    return false;
  }
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

void apply_retention(const fs::path& run, const RetentionRules& rules) {
  MSN_CHECK(rules.keep >= 1);
  try {
    const auto latest = read_latest(run);
    int whole = 0;
    for (const auto& checkpoint : list_checkpoints(run)) {
      if (!looks_whole(checkpoint.folder)) continue;
      const std::uint64_t step = checkpoint.step;
      const bool stays = whole < rules.keep || step == latest || is_kept_for_ever(rules, step) ||
                         is_pinned(run, step) || (step == rules.restored_from && !(latest && *latest > step));
      ++whole;
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
