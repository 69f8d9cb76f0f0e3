// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn --self-test mpi|hdf5|gpu`: whether this machine, and this msn on it, are fit for a run.
Command make_self_test(CLI::App& program);

}  // namespace msn
