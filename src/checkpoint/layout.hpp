// SPDX-License-Identifier: Apache-2.0
// Names below RUN/checkpoints. Only names that begin with "step-" are checkpoints; the dotted ones are on the way in or
// out, and whoever finds one that no live run owns may clear it away. What was set aside is nobody's but the user's.
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

/// What has a name like a checkpoint's and is none, and why: a link, a file, no step's number.
struct Stranger {
  std::filesystem::path path;
  std::string what;
};
std::vector<Stranger> list_strangers(const std::filesystem::path& run);

/// Why a checkpoint was set aside: it is damaged, or the run went back behind it.
enum class Aside { damaged, abandoned };
/// A name for a checkpoint that is set aside, "damaged-step-00000020" or "abandoned-step-00000020", that nothing has
/// yet: with "-2", "-3", ... behind it if need be.
std::filesystem::path aside_folder(const std::filesystem::path& run, Aside why, std::uint64_t step);
/// Names of what was set aside, sorted.
std::vector<std::string> list_aside(const std::filesystem::path& run);

/// What `latest` names; nullopt if it is absent. What is no regular file or no checkpoint's name is told to `problem`,
/// and otherwise warned of.
std::optional<std::uint64_t> read_latest(const std::filesystem::path& run, std::string* problem = nullptr);
/// Makes `latest` name the checkpoint of `step`, durably. Throws data_error.
void write_latest(const std::filesystem::path& run, std::uint64_t step);

/// The file that pins a checkpoint: retention leaves it alone as long as the file is there.
std::filesystem::path pin_file(const std::filesystem::path& run, std::uint64_t step);

/// Removes what dead runs left half-written or half-deleted, and gives a checkpoint that was about to be replaced its
/// name back. Throws data_error.
void sweep(const std::filesystem::path& run);

/// Whether anything is there, a link to nothing included. What cannot be examined counts as absent.
bool is_there(const std::filesystem::path& path);

/// Whether a folder, not a link to one, is there.
bool folder_exists(const std::filesystem::path& folder);

/// Removes a folder; a failure is a warning.
void remove_folder(const std::filesystem::path& folder);

}  // namespace msn
