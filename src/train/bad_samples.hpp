// SPDX-License-Identifier: Apache-2.0
// What becomes of images that turn out bad while a run is under way: each is named once, all are counted, too many end
// the run.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "comm/world.hpp"
#include "data/batch.hpp"

namespace msn {

/// How many of an epoch's images may be bad: data.max_bad of them, rounded down.
std::uint64_t allowed_bad(double share, std::uint64_t images_per_epoch);

class BadSamples {
 public:
  /// allowed_bad(share, images_per_epoch) may be bad in each epoch; `world` must outlive this.
  BadSamples(const World& world, double share, std::uint64_t images_per_epoch);

  /// Writes a line to the log of each bad sample of this rank's batch that has none yet.
  void report(const Batch& batch);

  /// Adds the bad samples of a step over all ranks; steps come in order.
  void count(std::uint64_t epoch, std::uint64_t bad);

  bool too_many() const { return in_epoch_ > allowed_; }
  std::uint64_t total() const { return total_; }

  /// Throws the data error for too many on every rank. All ranks call, and too_many() is the same on all.
  [[noreturn]] void end_run() const;

 private:
  const World& world_;
  double share_;
  std::uint64_t allowed_;  ///< In one epoch.
  std::uint64_t epoch_ = 0;
  std::uint64_t in_epoch_ = 0;
  std::uint64_t total_ = 0;
  std::unordered_set<std::string> reported_;
  std::string last_;  ///< This rank's last one, for the end's message.
};

}  // namespace msn
