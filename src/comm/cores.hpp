// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/world.hpp"

namespace msn {

/// Cores that this rank may use: those it is bound to, shared evenly with the ranks that are bound to the same ones. At
/// least 1. All ranks call.
int cores_of_this_rank(const World& world);

}  // namespace msn
