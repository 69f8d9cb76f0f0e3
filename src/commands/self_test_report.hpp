// SPDX-License-Identifier: Apache-2.0
// What a self-test tells, and the tests themselves.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "comm/world.hpp"

namespace msn {

/// Facts and warnings, printed by rank 0 as they come, so that what hangs is seen by what is not printed. What makes a
/// machine unfit is no part of it: that is thrown.
class SelfTestReport {
 public:
  explicit SelfTestReport(const World& world) : world_(world) {}

  void fact(const std::string& name, const std::string& value);
  /// A fact of lines.
  void table(const std::string& name, const std::vector<std::string>& lines);
  void warn(const std::string& text);
  /// A fact that should be the same on all ranks: rank 0's; a warning names the first rank that has another. All ranks
  /// call.
  void common_fact(const std::string& name, const std::string& mine);

  const std::vector<std::string>& warnings() const { return warnings_; }
  /// {"facts": {...}, "warnings": [...]}
  nlohmann::ordered_json to_json() const;

 private:
  const World& world_;
  nlohmann::ordered_json facts_ = nlohmann::ordered_json::object();
  std::vector<std::string> warnings_;
};

/// Seconds in the unit that suits them, for instance "2.31 ms".
std::string time_text(double seconds);
/// The folder's path from the root.
std::string absolute_text(const std::filesystem::path& folder);

// Each throws an AgreedError if the machine is not fit. All ranks call. `folder`: where a run would lie.
// `launcher`: as it was before MPI was up, which sets such variables itself.
void self_test_mpi(const World& world, const LauncherClaim& launcher, const std::filesystem::path& folder,
                   SelfTestReport& report);
void self_test_hdf5(const World& world, const std::filesystem::path& folder, SelfTestReport& report);
void self_test_gpu(const World& world, SelfTestReport& report);

}  // namespace msn
