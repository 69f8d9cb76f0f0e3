// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>

#include "checkpoint/lease.hpp"
#include "comm/world.hpp"
#include "train/lives.hpp"
#include "train/status.hpp"

namespace msn {

/// What a life keeps in the run folder, which is its job's alone as long as this is there.
struct RunRecords {
  /// Waits for the lease and calls `wait` meanwhile (RunLease).
  RunRecords(const World& world, const std::filesystem::path& run, const std::function<void()>& wait)
      : lease(world, run, wait), life(world, run, lease), status(world, run, [this] { return lease.holds(); }) {}

  RunLease lease;
  Life life;
  RunStatus status;
};

}  // namespace msn
