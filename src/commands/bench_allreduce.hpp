// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn bench allreduce`: sums over ranks, under the command `bench`.
Command make_bench_allreduce_command(CLI::App& bench);

}  // namespace msn
