// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/async_collectives.hpp"
#include "comm/world.hpp"

namespace msn {

/// Sums and gathers known values by one way between ranks, as training does: each type, a message that every rank adds
/// whole and one that goes in slices. Throws an agreed usage_error, with the first place, if a rank gets a wrong value.
/// `path` is not `automatic`; shared memory needs one host. All ranks call.
void try_exchange(const World& world, ExchangePath path);

}  // namespace msn
