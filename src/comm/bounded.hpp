// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

namespace msn {

/// Runs `work` in a thread of its own and waits for it at most `limit`: a file system that is gone holds up whoever
/// calls it, for ever. False: it has not come back; it is left alone, so it must own all that it uses. What it throws
/// is dropped.
bool run_bounded(std::chrono::milliseconds limit, std::function<void()> work);

}  // namespace msn
