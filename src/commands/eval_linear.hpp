// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn eval linear ...`
Command make_eval_linear_command(CLI::App& parent);

}  // namespace msn
