// SPDX-License-Identifier: Apache-2.0
// Faults on purpose, for tests only: MSN_TEST_INJECT="POINT:RANK:ACTION" makes one rank fail at one labelled point;
// several faults stand with commas between them.
#pragma once

#include <cstdint>
#include <string_view>

namespace msn {

/// Does what the environment variable MSN_TEST_INJECT asks for at `point` on `rank`: `throw` (a data error), `defect`
/// (an exception that is no msn::Error), `exit` and `exit0` (leave the process with code 9 or 0 and no clean-up),
/// `kill` (SIGKILL), `segv` (SIGSEGV), `stop` (SIGSTOP: until somebody sends SIGCONT), `sleep-N` (N milliseconds, each
/// time), `hang`, or `damage`: returns true there, and the caller spoils its own data, or leaves something out, if it
/// can. Without the variable, which is read once, it costs one comparison. A malformed variable is a usage error.
bool inject(std::string_view point, int rank);

/// The same at a point that is passed many times: POINT in the variable means each time, POINT-N only `number` N.
bool inject(std::string_view point, std::uint64_t number, int rank);

}  // namespace msn
