// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn import ...`
Command make_import_command(CLI::App& parent);

}  // namespace msn
