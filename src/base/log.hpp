// SPDX-License-Identifier: Apache-2.0
// The program's log: standard error, and a file once one is named. Only the rank that is given a voice writes.
//
// This header names no logging library: LibTorch ships another version of {fmt} than the distribution's spdlog uses,
// and both must not meet in one translation unit.
#pragma once

#include <filesystem>
#include <string_view>

namespace msn::log {

/// Whether this process writes information and warnings (rank 0) or errors only (the others). Call once at start.
void set_voice(bool speaks);

/// Also appends every line to `file` from now on. Throws data_error if it cannot be opened.
void add_file(const std::filesystem::path& file);
/// No line goes to a file from now on. Any thread.
void leave_files();

/// Whether this process shows a live line: it has a voice, and standard error is a terminal (is_terminal).
bool has_live_line();
/// Has the terminal show `text`, cut to its width, below whatever is logged from now on; empty: nothing any more. Where
/// there is no live line nothing happens.
void show_live(std::string_view text);
/// A line that the live line makes needless: where there is one, only files get it.
void info_beside_live(std::string_view text);

void info(std::string_view text);
void warn(std::string_view text);
/// A warning that is heard from every rank; the caller says which rank it is.
void warn_of_any_rank(std::string_view text);
/// Written by every rank; the caller says which rank it is.
void error(std::string_view text);
void flush();

}  // namespace msn::log
