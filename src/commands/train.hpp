// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn train CONFIG.toml --run DIR ...`
Command make_train_command(CLI::App& parent);

}  // namespace msn
