// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn subset --data DIR --per-class N --seed S | --names FILE --output LIST`: writes a label list for evaluation with
/// few labels.
Command make_subset_command(CLI::App& parent);

}  // namespace msn
