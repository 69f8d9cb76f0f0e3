// SPDX-License-Identifier: Apache-2.0
#include "commands/output_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.hpp"
#include "base/files.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void throw_taken(const fs::path& output) {
  throw data_error("the output is there already", output.string(), "choose another name, or remove it first");
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

/// Gives the folder its name if nothing has it.
void rename_new(const fs::path& from, const fs::path& to) {
  int failed = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  // Not every file system can do that at once; then what comes between looking and renaming is only refused if it is
  // not an empty folder.
  if (failed != 0 && errno == EINVAL) {
    if (is_there(to)) throw_taken(to);
    failed = ::rename(from.c_str(), to.c_str());
  }
  if (failed == 0) return;
  if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) throw_taken(to);
  throw system_error("cannot give the output its name", to.string(), errno);
}

}  // namespace

void write_output_folder(const fs::path& output, const std::function<void(const fs::path&)>& fill) {
  // "DIR/" names what "DIR" does.
  const fs::path named = output.has_filename() ? output : output.parent_path();
  if (is_there(named)) throw_taken(output);
  const fs::path parent = named.has_parent_path() ? named.parent_path() : fs::path(".");
  const fs::path beside = parent / (".partial-" + named.filename().string() + "-" + std::to_string(::getpid()));
  std::error_code error;
  fs::create_directories(parent, error);
  if (!error) fs::create_directory(beside, error);
  if (error)
    throw data_error("cannot make the output folder: " + error.message(), output.string(),
                     "name a folder where you may write");
  try {
    fill(beside);
    sync_path(beside);
    rename_new(beside, named);
  } catch (...) {
    fs::remove_all(beside, error);
    throw;
  }
  sync_path(parent);
}

}  // namespace msn
