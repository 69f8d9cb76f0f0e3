// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn bench step`: training steps on made-up numbers, under the command `bench`.
Command make_bench_step_command(CLI::App& bench);

}  // namespace msn
