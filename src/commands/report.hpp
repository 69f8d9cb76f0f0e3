// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

Command make_report_command(CLI::App& parent);

}  // namespace msn
