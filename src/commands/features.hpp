// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands/command.hpp"

namespace msn {

/// `msn features ...`
Command make_features_command(CLI::App& parent);

}  // namespace msn
