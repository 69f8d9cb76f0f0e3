// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

namespace msn {

/// Writes RUN/metrics.jsonl of `run` to `csv`, for programs that read no JSON: a line of names, then one for each step
/// (RFC 4180, but for line ends). Columns are those of all steps, in the order in which they first come; what lies in an
/// object or a list is named "ranks.slowest", "ranks.data_seconds.0". Empty: the step has no such number, or it is not
/// finite. A last line that is not whole yet is left out. Returns how many steps there are. The file is replaced once it
/// is whole. Throws data_error if there is no metrics.jsonl, for a line that is none of a step, with its number, and if
/// the file cannot be written.
std::uint64_t write_metrics_csv(const std::filesystem::path& run, const std::filesystem::path& csv);

}  // namespace msn
