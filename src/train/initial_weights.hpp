// SPDX-License-Identifier: Apache-2.0
// Weights that a new run begins with (`model.init`).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "train/state.hpp"

namespace msn {

/// Puts weights from a safetensors file or a checkpoint folder into both networks of `state`, which has been drawn
/// before; moments stay 0. Returns what a reader of the log should know, one line each.
///
/// Of a file: the official names, with or without "module."; all below "target_encoder." if there are such, else all
/// below "encoder."; "prototypes". Of a checkpoint: the target network with its batch-norm statistics, and the online
/// prototypes. The trunk must be whole; the head ("fc.*") whole or absent, and prototypes present or absent: what is
/// absent stays as drawn. Batch-norm statistics of a file are passed over: training never reads them. Positions of
/// another grid are resampled as the views' are.
///
/// Throws config_error, naming file and tensor, for a path without weights, a missing or unexpected tensor, another
/// shape, a type that is no floating one; data_error for a damaged file; numerics_error for a value that is not finite.
/// No collectives. `state` may be partly filled after an error.
std::vector<std::string> load_initial_weights(const std::filesystem::path& path, TrainState& state);

}  // namespace msn
