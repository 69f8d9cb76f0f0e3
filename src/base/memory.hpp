// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace msn {

/// Bytes of memory that this process may still take: what the kernel calls available, or less where a control group
/// (of a batch scheduler or a container) allows less.
std::uint64_t available_memory();

/// Bytes of memory that this machine has.
std::uint64_t total_memory();

}  // namespace msn
