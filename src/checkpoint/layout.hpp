// SPDX-License-Identifier: Apache-2.0
// Names below RUN/checkpoints. Only names that begin with "step-" are checkpoints; the dotted ones are on the way in or
// out, and whoever finds one that no live run owns may clear it away.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace msn {

std::filesystem::path checkpoints_folder(const std::filesystem::path& run);

/// "step-00000020".
std::string step_name(std::uint64_t step);
/// The step of "step-00000020"; nullopt for any other form.
std::optional<std::uint64_t> step_of_name(std::string_view name);

/// A checkpoint while one life of the run writes it, one that is being deleted, and one that makes room for another of
/// its step.
std::filesystem::path partial_folder(const std::filesystem::path& run, std::uint64_t step, std::string_view life);
std::filesystem::path deleted_folder(const std::filesystem::path& run, std::uint64_t step);
std::filesystem::path replaced_folder(const std::filesystem::path& run, std::uint64_t step);

struct Candidate {
  std::uint64_t step = 0;
  std::filesystem::path folder;
};
/// Every folder that claims to be a checkpoint, newest first. A run that died while it replaced a checkpoint left the
/// old one under its `replaced` name, which then counts. Throws data_error if the folder cannot be read.
std::vector<Candidate> list_checkpoints(const std::filesystem::path& run);

/// What `latest` names; nullopt if it is absent or is no checkpoint's name (which is warned of).
std::optional<std::uint64_t> read_latest(const std::filesystem::path& run);

/// Removes what dead runs left half-written or half-deleted, and gives a checkpoint that was about to be replaced its
/// name back. Throws data_error.
void sweep(const std::filesystem::path& run);

/// Whether a folder, not a link to one, is there.
bool folder_exists(const std::filesystem::path& folder);

/// Removes a folder; a failure is a warning.
void remove_folder(const std::filesystem::path& folder);

}  // namespace msn
