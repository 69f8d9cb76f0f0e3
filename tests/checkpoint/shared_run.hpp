// SPDX-License-Identifier: Apache-2.0
// What tests of checkpoints on several ranks share.
#pragma once

#include <gtest/gtest.h>
#include <mpi.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/state.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

namespace msn::test {

/// A run folder that all ranks share. Rank 0 deletes it after all have left.
class SharedRun {
 public:
  SharedRun() {
    if (world().rank() == 0) own_.emplace();
    path_ = world().broadcast(own_ ? own_->path().string() : std::string());
  }
  ~SharedRun() { MPI_Barrier(world().comm()); }
  SharedRun(const SharedRun&) = delete;
  SharedRun& operator=(const SharedRun&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint(std::uint64_t step) const { return checkpoints_folder(path_) / step_name(step); }

 private:
  std::optional<TempDir> own_;
  std::filesystem::path path_;
};

/// The names in the checkpoints folder.
inline std::set<std::string> names(const SharedRun& run) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints_folder(run.path())))
    found.insert(entry.path().filename());
  return found;
}

inline bool holds(const std::filesystem::path& checkpoint, std::uint64_t seed) {
  SmallState state(0);
  read_checkpoint(checkpoint, state.tensors());
  return state == SmallState(seed);
}

/// Rank 0 does something to the files; all see it done.
inline void on_rank_0(const std::function<void()>& action) {
  world().on_root([&] {
    action();
    return std::string();
  });
}

}  // namespace msn::test
