// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn views CONFIG.toml --output SHEET.png`: a contact sheet of the views that training makes.
Command make_views_command(CLI::App& parent);

}  // namespace msn
