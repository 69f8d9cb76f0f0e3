// SPDX-License-Identifier: Apache-2.0
// What a report says of its runs in tables and lists, as HTML.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "report/run_record.hpp"

namespace msn {

/// How the runs stand: a column for each. `now`: when the report is made.
std::string summary_table(std::span<const RunRecord> runs, std::span<const std::string> names,
                          std::chrono::system_clock::time_point now);

/// What a reader should look at: what could not be read, lives that ended badly, a run that has fallen silent, waits
/// for data. Empty if there is nothing.
std::string cautions_list(std::span<const RunRecord> runs, std::span<const std::string> names,
                          std::chrono::system_clock::time_point now);

/// The newest value of each series, and of one run its range.
std::string last_values_table(std::span<const RunRecord> runs, std::span<const std::string> names);

/// Of one run what is not the default; of several what differs, marked. All other settings in a part that folds.
std::string settings_tables(std::span<const RunRecord> runs, std::span<const std::string> names);

/// The lives of a run, and the hosts of the newest one that tells of them.
std::string lives_table(const RunRecord& run);
std::string hosts_table(const RunRecord& run);

/// The last warnings of the run's log; empty if there are none.
std::string warnings_list(const RunRecord& run);

}  // namespace msn
