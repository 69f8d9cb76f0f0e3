// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn eval finetune ...`
Command make_eval_finetune_command(CLI::App& parent);

}  // namespace msn
