// SPDX-License-Identifier: Apache-2.0
// RUN/metrics.jsonl as columns of numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace msn {

/// One row for each step that the file tells of, in rising order.
struct MetricsTable {
  std::vector<std::uint64_t> steps;
  /// By key, as long as `steps`; NaN where a line lacks the key or has no number there. A number within an object has
  /// the name "outer.inner", within a list "name.0"; true and false are 1 and 0. Texts are left out.
  std::map<std::string, std::vector<double>> series;
  std::map<std::string, std::uint64_t> not_finite;  ///< By key, how many lines have null: not a finite number.
  std::vector<std::uint64_t> collapsed;             ///< Steps whose line has a "collapse" list of signs, rising.
  std::set<std::string> collapse_signs;             ///< What these lists name.
  std::uint64_t lines = 0;                          ///< Read, whatever they hold.
  std::uint64_t damaged = 0;        ///< Of these, such as are no JSON object with a step; they are passed over.
  std::uint64_t first_damaged = 0;  ///< Number of the first one, from 1.
  bool unfinished_end = false;      ///< The last line has no end: being written, or cut short; passed over as well.
  std::uint64_t replaced = 0;       ///< Rows that a later line of the same or an earlier step took the place of.
  std::uint64_t left_out = 0;       ///< Numbers of further keys, beyond the most that are kept.
};

/// Keys that a table keeps at most; the file may be of any making.
inline constexpr std::size_t kMostSeries = 200;

/// Reads the file; one that is not there gives an empty table. Takes memory for the numbers, not for the text. Throws
/// data_error if it cannot be read.
MetricsTable read_metrics(const std::filesystem::path& file);

}  // namespace msn
