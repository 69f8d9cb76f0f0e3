// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn bench gemm`: the back ends of matrix products against each other, under the command `bench`.
Command make_bench_gemm_command(CLI::App& bench);

}  // namespace msn
