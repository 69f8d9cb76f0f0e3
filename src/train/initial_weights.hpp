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
/// Of a file, an index or a folder: what to_official_names() finds. Of a checkpoint: the target network with its
/// batch-norm statistics, and the online prototypes. The trunk must be whole; the head ("fc.*") whole or absent, and
/// prototypes present or absent: what is absent stays as drawn. Batch-norm statistics of a file are passed over:
/// training never reads them. Positions of another grid are resampled as the views' are.
///
/// Throws config_error, naming file and tensor, for a path without weights, a missing or unexpected tensor, another
/// shape, another number of heads (where the weights come with one), a type that is no floating one; data_error for a
/// damaged file; numerics_error for a value that is not finite. No collectives. `state` may be partly filled after an
/// error.
std::vector<std::string> load_initial_weights(const std::filesystem::path& path, TrainState& state);

}  // namespace msn
