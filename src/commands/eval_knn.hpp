// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn eval knn ...`
Command make_eval_knn_command(CLI::App& parent);

}  // namespace msn
