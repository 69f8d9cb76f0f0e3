// SPDX-License-Identifier: Apache-2.0
// From what is known of all ranks: who keeps the job from going on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "comm/flight_recorder.hpp"
#include "comm/process_facts.hpp"
#include "comm/sections.hpp"

namespace msn {

/// What one rank knows of another, or of itself.
struct RankView {
  int rank = 0;
  std::string host;
  bool known = false;  ///< Otherwise nothing below is: another host that has told nothing of this stall.
  Section section = Section::start;
  double seconds = 0;  ///< In that section, or since its last sign of life there.
  std::uint64_t step = 0;
  std::array<std::uint64_t, 2> issued{};    ///< Collectives of each channel.
  std::array<std::uint64_t, 2> finished{};  ///< Likewise.
  ProcessState process = ProcessState::unknown;
};

/// The oldest of `records` that has not finished: what the rank is waiting for, if it waits.
std::optional<CollectiveRecord> unfinished(std::span<const CollectiveRecord> records);

/// One line without an end: which ranks, of which hosts, have not come to which collective and what they are at, "rank
/// 2 of 4 (host n07) has not come to collective 57 (sum "gradients") of step 12: in data for 31 s". `ranks` are all of
/// the world, in order. `awaited` is the collective that some rank waits for; without it, and if no rank is seen to
/// wait, the ranks that have been longest in a section are named.
std::string describe_stall(std::span<const RankView> ranks, const std::optional<CollectiveRecord>& awaited);

}  // namespace msn
