// SPDX-License-Identifier: Apache-2.0
// What training and the replay of a step do alike before their first step.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/input.hpp"
#include "train/state.hpp"

namespace msn {

/// The type of weights, moments, head and loss.
at::ScalarType scalar_type(Precision precision);
/// The type that the trunk computes in.
at::ScalarType compute_type(Precision precision);
/// As train.precision is written.
std::string name_of(Precision precision);

/// Throws config_error if the configuration asks for tf32 of a processor, or for bf16 of one that has no instructions
/// for it.
void check_precision(const Config& config, at::Device device = at::kCPU);

/// Has a GPU's products of float32 computed as the configuration says: from TensorFloat-32 operands or in full.
void set_up_precision(const Config& config);

/// open_input() beside what else the run needs of a rank's memory. All ranks call.
TrainingInput open_input_of_run(const World& world, const Config& config, bool on_gpu = false);

/// Completed steps of the state in a checkpoint; 0 without one. All ranks call; rank 0 looks for all.
std::uint64_t completed_steps(const World& world, const std::optional<std::filesystem::path>& checkpoint);

/// Fills `state` from a checkpoint, or as a new run begins: drawn from the seed, or with the weights of model.init. All
/// ranks call, with equal arguments.
void load_state(const World& world, const Config& config, const std::optional<std::filesystem::path>& checkpoint,
                TrainState& state);

}  // namespace msn
