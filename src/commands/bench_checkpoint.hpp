// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn bench checkpoint`: saving and loading the state of a configuration, under the command `bench`.
Command make_bench_checkpoint_command(CLI::App& bench);

}  // namespace msn
