// SPDX-License-Identifier: Apache-2.0
// A rank's flight record as a file, RUN/flight/rank-0002.json: written when the job stalls, read by people and by the
// watchdogs of other hosts.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/stall.hpp"

namespace msn {

struct FlightFacts {
  std::string life;    ///< Names this life of the run; files of others are no use to it.
  std::string reason;  ///< Why it is written.
  int ranks = 1;
  RankView self;
  std::vector<SectionVisit> sections;
  std::vector<CollectiveRecord> collectives;
  std::vector<RankView> neighbours;  ///< As this rank sees the ranks of its host, itself among them.
};

std::filesystem::path flight_file(const std::filesystem::path& folder, int rank);

/// JSON; adds this process's threads and cores, and the time. Times within are seconds before that.
std::string flight_text(const FlightFacts& facts);

/// What another rank's file tells. nullopt: it has none, or one of another life.
struct FlightGlance {
  RankView view;
  std::optional<CollectiveRecord> awaited;
  double age = 0;  ///< Seconds, as far as the clocks of the hosts agree.
};
std::optional<FlightGlance> read_flight_file(const std::filesystem::path& file, const std::string& life);

}  // namespace msn
