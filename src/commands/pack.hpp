// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn pack`: makes a data set from image folders or the built-in generator.
Command make_pack_command(CLI::App& parent);

}  // namespace msn
