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
  } catch (const NewerVersionError&) {
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

void apply_retention(const fs::path& run, int keep) {
  MSN_CHECK(keep >= 1);
  try {
    const auto latest = read_latest(run);
    int whole = 0;
    for (const auto& checkpoint : list_checkpoints(run)) {
      if (whole < keep) {
        whole += looks_whole(checkpoint.folder) ? 1 : 0;
      } else if (checkpoint.step != latest && !fs::exists(run / "pins" / step_name(checkpoint.step))) {
        delete_checkpoint(run, checkpoint);
      }
    }
  } catch (const Error& error) {
    log::warn(std::string("old checkpoints stay: ") + error.what());
  } catch (const fs::filesystem_error& error) {
    log::warn(std::string("old checkpoints stay: ") + error.what());
  }
}

}  // namespace msn
