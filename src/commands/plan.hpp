// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn plan`: what a run would take on a machine that is not there.
Command make_plan_command(CLI::App& parent);

}  // namespace msn
