// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "train/trainer.hpp"

namespace msn {

/// For people, at the end of a life of the run in `run`: how far it came, why it ended, and what to do next. Lines
/// without line ends.
std::vector<std::string> end_table(const TrainResult& result, const Config& config, const TrainOptions& options);

}  // namespace msn
