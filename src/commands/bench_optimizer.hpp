// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn bench optimizer`: the update of the state beside a plain copy, under the command `bench`.
Command make_bench_optimizer_command(CLI::App& bench);

}  // namespace msn
