// SPDX-License-Identifier: Apache-2.0
// Where LibTorch's tensors lie in this process.
#pragma once

#include "base/arena.hpp"

namespace msn {

/// Has all later tensors on the CPU, and what oneDNN takes through LibTorch, come from one arena for the whole process
/// (base/arena.hpp), so that a step that repeats the requests of the one before takes no memory from the system. What
/// does not fit comes from LibTorch's own allocator and is counted; the first time a warning says so. Tensors that were
/// made before, or that only borrow their memory, are not touched, and tensors may outlive main(). Call before other
/// threads make tensors; again it does nothing.
///
/// In debug builds fresh memory holds NaN. In builds with a sanitizer the arena is empty and everything comes from
/// LibTorch's allocator, filled with NaN: only memory that is freed for real shows its use afterwards.
void use_arena_for_tensors();

/// Of that arena; `refused` is what came from LibTorch's own allocator instead. All 0 before use_arena_for_tensors().
ArenaUsage tensor_memory();
/// Counts peak_in_use anew from here on.
void reset_peak_of_tensor_memory();

}  // namespace msn
