// SPDX-License-Identifier: Apache-2.0
// Which checkpoint of a run is gone on from. These look at the disk, and rename: rank 0 only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "checkpoint/layout.hpp"

namespace msn {

/// The checkpoint to go on from, and what is to be set aside once that is certain.
struct Choice {
  std::optional<Candidate> checkpoint;  ///< Nothing: the run has none.
  std::vector<Candidate> damaged;       ///< Newer ones that were found damaged, newest first.
  std::vector<Candidate> abandoned;     ///< Newer ones that an explicit step leaves behind, newest first.
};

/// The newest whole checkpoint of those of at most `last_step` steps, every file's hash checked. Damaged ones are
/// warned of and passed over, and so are those that cannot be read now, which may be whole. Throws data_error if the
/// run has some but none is whole, if only such are left that were set aside, or if a newer version of msn wrote the
/// newest.
Choice choose_newest(const std::filesystem::path& run, std::uint64_t last_step = UINT64_MAX);

/// The checkpoint of one step, as find_checkpoint() finds it; every newer one is abandoned.
Choice choose_step(const std::filesystem::path& run, std::uint64_t step);

/// Renames the damaged and the abandoned ones of a choice (aside_folder), so that no later life takes them or tries
/// them again, and makes `latest` name the chosen one. They are never deleted. A damaged one that cannot be renamed is
/// a warning; throws data_error for an abandoned one.
void set_aside(const std::filesystem::path& run, const Choice& choice);

}  // namespace msn
