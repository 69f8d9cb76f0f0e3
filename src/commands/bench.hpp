// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn bench`: how fast the parts of a run are on this machine.
Command make_bench_command(CLI::App& parent);

}  // namespace msn
