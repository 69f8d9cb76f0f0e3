// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn eval ...`: a subcommand for each classifier.
Command make_eval_command(CLI::App& parent);

}  // namespace msn
