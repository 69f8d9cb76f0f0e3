// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "objective/schedules.hpp"
#include "train/evaluation.hpp"
#include "train/requests.hpp"
#include "train/saver.hpp"
#include "train/step.hpp"
#include "train/stragglers.hpp"
#include "train/tensorboard.hpp"

namespace msn {

/// What one step tells, over all ranks.
struct StepMetrics {
  std::uint64_t step = 0;  ///< Completed steps, from 1.
  std::uint64_t epoch = 0;
  double time = 0;  ///< When the step was over, by rank 0's clock, in seconds since 1970.
  LossParts loss;   ///< Means over ranks; prototypes_used counts distinct targets of the whole global batch.
  ScheduleValues schedule;
  double grad_norm = 0;
  double images_per_second = 0;  ///< Source images of the global batch over the step's time, waiting included.
  double data_wait_seconds = 0;  ///< The longest of all ranks.
  // Of the sums of the gradients over ranks, the longest of all ranks:
  double reduce_seconds = 0;
  double reduce_wait_seconds = 0;        ///< The part that no computation hid.
  std::uint64_t bad_samples = 0;         ///< Images of the global batch that were replaced.
  Wishes wishes;                         ///< The largest of all ranks.
  bool savers_ready = false;             ///< Saver::ready() on every rank.
  SaverReport checkpoint;                ///< On rank 0.
  std::optional<Evaluation> evaluation;  ///< Of the state after this step, if it was measured.
  bool skipped = false;                  ///< Nothing was updated, because these numbers are not finite on some rank.
  std::vector<double> rank_times;        ///< rank_times() of every rank, in rank order.
  std::optional<StragglerReport> ranks;  ///< At the steps of the log's report; with several ranks.
  // Of the monitors, on rank 0, at the steps at which they have something to say:
  std::optional<double> feature_rank;
  std::vector<std::string> collapse;  ///< The numbers that say so, by their names.
};

/// What one rank adds to a step's numbers beside its report.
struct RankFacts {
  double data_wait_seconds = 0;
  std::uint64_t bad_samples = 0;
  Wishes wishes;
  bool saver_ready = true;  ///< Saver::ready()
  SectionTimes times;       ///< Since the last step's message.
};

/// Gathers a step's numbers over ranks: one message, in which the wishes to save and to stop ride along.
StepMetrics gather_metrics(const StepReport& report, const RankFacts& facts, const Communicator& communicator);

/// The numbers of a step as TensorBoard has them: tagged "GROUP/NAME", where NAME is that of metrics.jsonl.
std::vector<EventScalar> event_scalars(const StepMetrics& metrics);

/// RUN/metrics.jsonl: one JSON object a step, appended; a number that is not finite is null. Only rank 0 makes one. A
/// write that fails warns once; training goes on.
class MetricsFile {
 public:
  /// Lines of steps after `completed_steps`, which an earlier life wrote beyond its last checkpoint, are cut off.
  MetricsFile(const std::filesystem::path& file, std::uint64_t completed_steps);
  void write(const StepMetrics& metrics);

 private:
  std::filesystem::path path_;
  std::ofstream out_;
  bool warned_ = false;
};

}  // namespace msn
