// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn eval logistic ...`
Command make_eval_logistic_command(CLI::App& parent);

}  // namespace msn
