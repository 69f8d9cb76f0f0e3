// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn verify PATH [--decode]`: reads all of a data set, a checkpoint or the checkpoints of a run and reports every
/// problem. The ranks share the shards of a data set.
Command make_verify_command(CLI::App& parent);

}  // namespace msn
