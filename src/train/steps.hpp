// SPDX-License-Identifier: Apache-2.0
// The steps of a life, one after the other, wherever they are computed.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "data/batch.hpp"
#include "data/views.hpp"
#include "objective/schedules.hpp"
#include "train/step.hpp"

namespace msn {

/// A step that is over.
struct DoneStep {
  Batch batch;
  ScheduleValues schedule;
  StepReport report;
};

/// Begins steps and, in the same order, finishes them. In host memory a step is over when begin() returns; a GPU may be
/// some steps behind its host, so that neither waits for the other. All ranks call alike.
class Steps {
 public:
  virtual ~Steps() = default;

  /// How the gradients are summed over ranks.
  virtual const GradientBuckets& buckets() const = 0;

  /// Begins the step after the last one that was begun, with the next batch.
  virtual void begin() = 0;
  /// Steps that were begun and not yet finished.
  virtual std::size_t under_way() const = 0;
  /// Waits for the oldest step under way. The state has completed it then, unless its numbers are not finite: then no
  /// step is under way any more, the state is that before the step, its reduced gradients are in the state's gradients,
  /// and once the state counts it as skipped the next step to begin is the one after it.
  virtual DoneStep finish() = 0;
  /// Gives a finished step's batch back, so that its memory serves again.
  virtual void recycle(Batch&& used) = 0;
};

/// Whose steps.
struct StepsOf {
  TrainState& state;  ///< Loaded; from here on, only steps change its weights.
  const Config& config;
  Communicator& communicator;  ///< Of tensors where the state is.
  const Schedules& schedules;
  BatchSource& batches;                        ///< From the state's step on, for the state's device.
  const std::vector<Normaliser>& normalisers;  ///< Of each data set.
  int rank = 0;                                ///< Of the world, for faults that tests inject.
  Sections* sections = nullptr;
};

/// Steps in host memory, each over when it has begun. What is referred to must outlive them. Throws config_error if the
/// prior's file is refused.
std::unique_ptr<Steps> make_host_steps(const StepsOf& of);

}  // namespace msn
