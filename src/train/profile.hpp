// SPDX-License-Identifier: Apache-2.0
// What a run's steps did, for people with a profiler.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "base/range_observer.hpp"

namespace msn {

/// Profiles a few steps of a life with LibTorch's profiler into RUN/profile/rank-0000-steps-00000011-00000015.json, a
/// trace as chrome://tracing and Perfetto read it: steps, sections and kinds of work as named ranges of the main
/// thread, LibTorch's operators, and on a GPU its kernels and copies.
///
/// On a GPU the ranges go to NVTX meanwhile and at all other times, for Nsight Systems, which costs next to nothing
/// while it is not attached. Made, used and destroyed on the main thread.
class Profile {
 public:
  /// Steps of a life before the first that is profiled: the first ones allocate, choose and capture.
  static constexpr std::uint64_t warm_up = 10;

  struct Options {
    std::optional<std::uint64_t> steps;  ///< How many are profiled; none: nothing is.
    std::filesystem::path run;
    std::function<bool()> may_write;  ///< Whether the run folder is this job's.
    at::Device device = at::kCPU;
  };

  /// `rank` of the world; only rank 0 profiles.
  Profile(Options options, int rank);
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// The host begins step `step` of the run. After the last that is profiled the host waits for the device, and the
  /// trace is written; what hinders that is warned of.
  void begin_step(std::uint64_t step);
  /// The life's steps are over: writes what there is of the trace.
  void end();

 private:
  struct Trace;
  void start();
  void stop();

  const Options options_;
  std::unique_ptr<RangeObserver> nvtx_;
  std::unique_ptr<Trace> trace_;  ///< While it profiles.
  bool profiles_;                 ///< Or is still to do so.
  std::uint64_t begun_ = 0;       ///< Steps of this life.
  std::uint64_t first_ = 0;       ///< Profiled steps of the run.
  std::uint64_t last_ = 0;
};

}  // namespace msn
