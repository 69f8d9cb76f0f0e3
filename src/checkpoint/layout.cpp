// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/layout.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <system_error>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPartial = ".partial-";
constexpr std::string_view kDeleted = ".deleted-";
constexpr std::string_view kReplaced = ".replaced-";
constexpr std::string_view kDamaged = "damaged-";
constexpr std::string_view kAbandoned = "abandoned-";

fs::path prefixed(const fs::path& run, std::string_view prefix, std::uint64_t step) {
  return checkpoints_folder(run) / (std::string(prefix) + step_name(step));
}

/// Names in the checkpoints folder; none if it is not there.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error), end;
  for (; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  if (error && error != std::errc::no_such_file_or_directory) {
    throw data_error("cannot list the folder: " + error.message(), folder.string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

fs::path checkpoints_folder(const fs::path& run) {
  return run / "checkpoints";
}

std::string step_name(std::uint64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step-%08llu", static_cast<unsigned long long>(step));
  return name;
}

std::optional<std::uint64_t> step_of_name(std::string_view name) {
  constexpr std::string_view prefix = "step-";
  if (!name.starts_with(prefix)) return std::nullopt;
  std::uint64_t step = 0;
  const auto parsed = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), step);
  if (parsed.ec != std::errc() || step_name(step) != name) return std::nullopt;
  return step;
}

fs::path partial_folder(const fs::path& run, std::uint64_t step, std::string_view life) {
  return prefixed(run, kPartial, step) += "-" + std::string(life);
}
fs::path deleted_folder(const fs::path& run, std::uint64_t step) {
  return prefixed(run, kDeleted, step);
}
fs::path replaced_folder(const fs::path& run, std::uint64_t step) {
  return prefixed(run, kReplaced, step);
}

std::vector<Candidate> list_checkpoints(const fs::path& run) {
  const fs::path folder = checkpoints_folder(run);
  std::map<std::uint64_t, fs::path, std::greater<>> found;
  // Sorted, '.' stands before 's': a checkpoint under its own name goes over the one it replaced.
  for (const auto& name : names_in(folder)) {
    std::string_view plain = name;
    if (plain.starts_with(kReplaced)) plain.remove_prefix(kReplaced.size());
    const auto step = step_of_name(plain);
    if (step && folder_exists(folder / name)) found[*step] = folder / name;
  }
  std::vector<Candidate> candidates;
  for (const auto& [step, path] : found)
    candidates.push_back({step, path});
  return candidates;
}

std::vector<Stranger> list_strangers(const fs::path& run) {
  std::vector<Stranger> strangers;
  const fs::path folder = checkpoints_folder(run);
  for (const auto& name : names_in(folder)) {
    if (!name.starts_with("step-")) continue;
    const fs::path path = folder / name;
    std::error_code ignored;
    if (fs::is_symlink(path, ignored)) {
      strangers.push_back({path, "a link, where a checkpoint is a folder"});
    } else if (!folder_exists(path)) {
      strangers.push_back({path, "a file, where a checkpoint is a folder"});
    } else if (!step_of_name(name)) {
      strangers.push_back({path, "a folder whose name is no step's, which has at least eight digits"});
    }
  }
  return strangers;
}

fs::path aside_folder(const fs::path& run, Aside why, std::uint64_t step) {
  const fs::path plain = prefixed(run, why == Aside::damaged ? kDamaged : kAbandoned, step);
  fs::path free = plain;
  // What cannot be examined may be free: the renaming will tell.
  for (int number = 2; is_there(free); ++number) {
    free = plain;
    free += "-" + std::to_string(number);
  }
  return free;
}

std::vector<std::string> list_aside(const fs::path& run) {
  std::vector<std::string> names = names_in(checkpoints_folder(run));
  std::erase_if(names, [](const std::string& name) {
    const std::string_view plain = name;
    return !plain.starts_with(std::string(kDamaged) + "step-") && !plain.starts_with(std::string(kAbandoned) + "step-");
  });
  return names;
}

std::optional<std::uint64_t> read_latest(const fs::path& run, std::string* problem) {
  const fs::path file = checkpoints_folder(run) / "latest";
  std::error_code ignored;
  const fs::file_type type = fs::symlink_status(file, ignored).type();
  if (type == fs::file_type::not_found) return std::nullopt;
  std::string wrong;
  try {
    if (type != fs::file_type::regular) throw data_error("not a regular file", file.string());
    std::string text = read_text(file, 4096);
    while (!text.empty() && text.back() == '\n')
      text.pop_back();
    if (const auto step = step_of_name(text)) return step;
    wrong = "not the name of a checkpoint: \"" + text + "\" (" + file.string() + ")";
  } catch (const Error& error) {
    wrong = error.what();
  }
  if (problem != nullptr) {
    *problem = wrong;
  } else {
    log::warn(wrong);
  }
  return std::nullopt;
}

void write_latest(const fs::path& run, std::uint64_t step) {
  write_durably(checkpoints_folder(run) / "latest", step_name(step) + "\n");
}

fs::path pin_file(const fs::path& run, std::uint64_t step) {
  return run / "pins" / step_name(step);
}

void sweep(const fs::path& run) {
  const fs::path folder = checkpoints_folder(run);
  for (const auto& name : names_in(folder)) {
    if (name.starts_with(kPartial) || name.starts_with(kDeleted)) {
      log::info("removing what an earlier run left unfinished (" + (folder / name).string() + ")");
      remove_folder(folder / name);
    } else if (name.starts_with(kReplaced)) {
      const fs::path own = folder / name.substr(kReplaced.size());
      if (folder_exists(own)) {
        remove_folder(folder / name);
      } else {
        rename_durably(folder / name, own);
      }
    }
  }
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  const fs::file_type type = fs::symlink_status(path, ignored).type();
  return type != fs::file_type::not_found && type != fs::file_type::none;
}

bool folder_exists(const fs::path& folder) {
  std::error_code ignored;
  return fs::symlink_status(folder, ignored).type() == fs::file_type::directory;
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) log::warn("cannot remove: " + error.message() + " (" + folder.string() + ")");
}

}  // namespace msn
