// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn export ...`
Command make_export_command(CLI::App& parent);

}  // namespace msn
