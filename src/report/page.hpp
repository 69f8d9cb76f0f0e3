// SPDX-License-Identifier: Apache-2.0
// The report of some runs as one HTML page that needs nothing else: no network, no other file. What runs, hosts and
// files are named is text to it, never markup; a policy in the page lets no script run but its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "report/pictures.hpp"
#include "report/run_record.hpp"

namespace msn {

struct ReportFacts {
  std::string version;  ///< Of msn.
  std::chrono::system_clock::time_point time;
};

/// Runs whose pictures one page holds, and how many bytes of it these may take together.
inline constexpr std::size_t kMostRunsWithPictures = 3;
inline constexpr std::size_t kPictureBytes = 3'600'000;

struct ReportPage {
  std::string html;
  std::size_t charts = 0;
};

/// Runs that one page compares.
inline constexpr std::size_t kMostRuns = 12;

/// The page of `runs`: at least one, at most kMostRuns. `pictures`: of each run, or none at all; with them the runs are
/// at most kMostRunsWithPictures.
ReportPage report_page(std::span<const RunRecord> runs, const ReportFacts& facts,
                       std::span<const RunPictures> pictures = {});

/// Names that tell the runs apart: the folders' own, or, where two are the same, their paths.
std::vector<std::string> run_names(std::span<const RunRecord> runs);

}  // namespace msn
