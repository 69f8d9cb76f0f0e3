// SPDX-License-Identifier: Apache-2.0
// RUN/lease.json: which job may write to a run folder (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "comm/process_facts.hpp"

namespace msn {

struct LeaseRecord {
  static constexpr int kFormatVersion = 1;

  std::uint64_t generation = 1;  ///< Counts the jobs that have held the folder.
  std::string nonce;             ///< Of this holder alone.
  std::string job;               ///< "Slurm 4711"; empty without a batch system.
  ProcessIdentity process;       ///< Of the holder: the job's rank 0.
  std::string since;             ///< UTC.
  std::string renewed;           ///< UTC, with milliseconds: what changes while the holder lives.
  bool held = true;              ///< False: given back.

  bool operator==(const LeaseRecord&) const = default;
};

std::filesystem::path lease_file(const std::filesystem::path& run);

/// The text of the file. Its length depends on neither `renewed` nor `held`, so that these can be written in place.
std::string lease_text(const LeaseRecord& record);
/// nullopt if the text is no lease, or one of a later version.
std::optional<LeaseRecord> parse_lease(std::string_view text);

/// What a look at the file has found.
struct LeaseSight {
  bool is_there = false;
  std::string text;                   ///< Its beginning; empty for what is no regular file.
  std::optional<LeaseRecord> record;  ///< If it is a lease.

  bool operator==(const LeaseSight&) const = default;
};

/// Opens the file anew, so that a host which caches files sees what others have written. Follows no link and waits for
/// nothing. Throws data_error if the file system refuses.
LeaseSight look_at_lease(const std::filesystem::path& run);

/// "job Slurm 4711 on host n07 (process 123, generation 3, since 2026-03-01T08:30:00Z)".
std::string holder_text(const LeaseRecord& record);

/// For people: who holds the run folder, or did last; nullopt if nobody ever has. Throws as look_at_lease().
std::optional<std::string> describe_lease(const std::filesystem::path& run);

}  // namespace msn
