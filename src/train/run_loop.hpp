// SPDX-License-Identifier: Apache-2.0
// The training loop: the steps of one life of a run, and what is done between them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "comm/mpi_communicator.hpp"
#include "comm/sections.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "data/batch.hpp"
#include "data/views.hpp"
#include "objective/schedules.hpp"
#include "train/bad_samples.hpp"
#include "train/bundle.hpp"
#include "train/evaluation.hpp"
#include "train/input.hpp"
#include "train/metrics.hpp"
#include "train/placement.hpp"
#include "train/profile.hpp"
#include "train/requests.hpp"
#include "train/run_records.hpp"
#include "train/run_reports.hpp"
#include "train/saver.hpp"
#include "train/state.hpp"
#include "train/steps.hpp"
#include "train/stragglers.hpp"
#include "train/surroundings.hpp"
#include "train/trainer.hpp"

namespace msn {

/// What a life has when its steps begin. What is referred to must outlive the loop.
struct RunLoopOf {
  const World& world;
  const Config& config;
  const TrainOptions& options;
  const TrainingInput& input;
  Sections& sections;
  RunRecords& records;
  Placement& placement;
  TrainState& state;
  StepSurroundings surroundings;
  StepsOfLife steps;
  std::uint64_t steps_per_epoch = 0;
  bool resumed = false;  ///< The state is a checkpoint's.
};

/// All ranks make one and call alike.
class RunLoop {
 public:
  /// Opens the data, makes the steps and what goes with them. Throws AgreedError.
  explicit RunLoop(const RunLoopOf& of);

  /// Runs the steps to the life's end. The last state is in a checkpoint then, and what rank 0 tells is told. Throws
  /// what ends a run: data and numerics errors, a lost lease, a checkpoint that fails once too often.
  TrainResult run();

 private:
  std::unique_ptr<Steps> make_steps();
  /// Whether a step begins: not if the state is wanted as it is, at the end, for a checkpoint, a measurement or a
  /// comparison of replicas.
  bool may_begin() const;
  bool ends_early() const { return requests_.stop() || bad_.too_many(); }
  bool compares_after(std::uint64_t step) const;

  void finish_step();
  void leave_out(const DoneStep& done, std::uint64_t number);
  StepMetrics agree_on(const DoneStep& done);
  void compare_replicas();
  void measure(StepMetrics& metrics);
  void save();
  TrainResult result();

  const RunLoopOf of_;
  const std::size_t ahead_;  ///< Steps under way beside the next one.
  const Schedules schedules_;
  const std::vector<Normaliser> normalisers_;
  const std::unique_ptr<BatchSource> batches_;
  const std::unique_ptr<Steps> steps_;

  BadSamples bad_;
  Stragglers stragglers_;
  std::optional<RunReports> reports_;  ///< On rank 0.
  Saver saver_;
  Requests requests_;
  Evaluations evaluations_;
  Profile profile_;
  BundleFacts bundle_facts_;

  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point step_began_;
  double last_loss_ = 0;
};

}  // namespace msn
