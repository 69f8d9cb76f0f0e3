// SPDX-License-Identifier: Apache-2.0
// Manifest, fsync, rename, fsync, `latest`. The labelled points are where tests kill the rank.
#include "checkpoint/commit.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/inject.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// The folder has, as rank 0 sees it, what the manifest lists: ranks may have written to folders of the same name on
/// different disks.
void check_visible(const fs::path& folder) {
  try {
    read_manifest(folder);
  } catch (const Error& error) {
    throw data_error("rank 0 does not see what another rank wrote: " + error.problem(), error.where(),
                     "put the run folder on a file system that all hosts share");
  }
}

/// Whether the checkpoint that is there already is whole and holds the same.
bool holds_same(const fs::path& checkpoint, const Manifest& manifest) {
  try {
    if (!read_manifest(checkpoint).same_state(manifest)) return false;
    verify_checkpoint(checkpoint);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// The folders' names as they were. A rename may have happened although it could not be made durable; the names say how
/// far it came.
void undo(const fs::path& partial, const fs::path& published, const fs::path& aside, bool replaces) {
  std::error_code ignored;
  if (!folder_exists(partial)) fs::rename(published, partial, ignored);
  if (replaces && !folder_exists(published)) fs::rename(aside, published, ignored);
}

void publish(const fs::path& run, const fs::path& partial, std::uint64_t step,
             const std::function<void()>& may_publish) {
  const fs::path published = checkpoints_folder(run) / step_name(step), aside = replaced_folder(run, step);
  const bool replaces = folder_exists(published);
  may_publish();
  try {
    if (replaces) rename_durably(published, aside);
    inject("checkpoint-aside", 0);
    rename_durably(partial, published);
    inject("checkpoint-published", 0);
  } catch (const Error&) {
    undo(partial, published, aside, replaces);
    throw;
  }
  may_publish();  // Who may not has lost the folder to another job, and leaves every name in it alone.
  try {
    write_latest(run, step);
  } catch (const Error&) {
    undo(partial, published, aside, replaces);
    throw;
  }
  inject("checkpoint-latest", 0);
  if (replaces) remove_folder(aside);
}

}  // namespace

void make_checkpoint_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST) {
    throw system_error("cannot make the folder", folder.string(), errno,
                       "check the free space and rights of the run folder");
  }
}

void commit_checkpoint(const fs::path& run, const fs::path& partial, const Manifest& manifest,
                       const std::function<void()>& may_publish) {
  const std::uint64_t step = manifest.facts.step;
  write_durably(partial / "manifest.json", manifest_text(manifest));
  check_visible(partial);
  inject("checkpoint-manifest", 0);
  if (holds_same(checkpoints_folder(run) / step_name(step), manifest)) {
    may_publish();
    write_latest(run, step);
    remove_folder(partial);
  } else {
    publish(run, partial, step, may_publish);
  }
}

}  // namespace msn
