// SPDX-License-Identifier: Apache-2.0
// A step's time from the times of measured ones, part by part in proportion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planning/estimate.hpp"

namespace msn {

/// What the parts of a rank's step grow with.
struct StepWork {
  double operations = 0;  ///< In products and attention, as computed.
  double values = 0;      ///< That lie between products.
  double parameters = 0;
};
StepWork work_of(const Config& config, const RunPlan& plan);

/// A planned step by measurements.
struct StepByMeasurement {
  const MeasuredStep* step = nullptr;  ///< The one that it is in proportion to.
  StepParts parts;                     ///< Computing, and where `has_waits` the waits for other ranks, as `small`.
  bool has_waits = false;
  double library_memory = 0;  ///< Bytes that the measured step took beside its plan; of processors.
  std::vector<std::string> notes;
};

/// The planned step in proportion to the measured one that is most like it, by precision, threads, model, input,
/// ranks of a host and batch. Ranks of a host slow each other down, as they share its caches and memory: where the
/// measured step had fewer or more of them on its host, its times are corrected by how two other measurements of one
/// model differ, which had as many ranks on their hosts as the one and the other; without such a pair by the rates of a
/// large product and of a plain copy that were measured among as many ranks; without those not at all, which a note
/// says. Likewise where it had another number of images on a rank, as far as there are two measurements of one model
/// that had as many as the one and the other. nullopt if no step of the kind of machine was measured. `images`: of the
/// data set.
std::optional<StepByMeasurement> step_by_measurement(const Config& config, const RunPlan& plan,
                                                     const PlannedMachine& machine, const Assumptions& assumptions,
                                                     std::uint64_t images);

/// Of a plan for processors: bytes that steps take without checkpoints, but for what libraries take.
double memory_of_steps(const MemoryPlan& plan);

}  // namespace msn
