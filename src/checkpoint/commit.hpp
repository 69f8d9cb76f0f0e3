// SPDX-License-Identifier: Apache-2.0
// The end of the commit protocol (docs/formats.md), on rank 0: when every file of a checkpoint is written and durable.
#pragma once

#include <filesystem>
#include <functional>

#include "checkpoint/manifest.hpp"

namespace msn {

/// Makes `folder` (0750) if it is not there. Throws data_error.
void make_checkpoint_folder(const std::filesystem::path& folder);

/// Writes the manifest into `partial`, checks that all files are there, gives the folder its name and has `latest` name
/// it. A checkpoint of the same step that is there already stays if it is whole and equal, and is replaced otherwise.
/// `may_publish` is called before anything gets its name and again before `latest` does; if it throws, that does not
/// happen. Throws data_error, with everything as it was but for `partial`.
void commit_checkpoint(const std::filesystem::path& run, const std::filesystem::path& partial, const Manifest& manifest,
                       const std::function<void()>& may_publish);

}  // namespace msn
