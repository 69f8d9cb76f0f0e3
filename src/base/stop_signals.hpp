// SPDX-License-Identifier: Apache-2.0
// Signals by which a scheduler or a user asks a run to stop. A handler notes them; the run looks when it suits it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace msn {

/// The signals that may be caught, without "SIG": those that a user or a scheduler sends, none that tells of a crash.
std::span<const std::string_view> stop_signal_names();

/// "SIGUSR1" for the number of one of them; "signal N" for any other number.
std::string stop_signal_text(int number);

/// From now on each of `names` (of stop_signal_names()) is only noted, whichever thread it reaches; system calls that
/// it interrupts go on. A signal that an earlier call caught and `names` leaves out does again what it did before; if
/// it has come meanwhile, it does so at once. The program calls this twice: as early as it can, and once it knows its
/// configuration.
void catch_stop_signals(std::span<const std::string> names);

/// The number of a caught signal that has come, the first by stop_signal_names() if several have; 0: none.
int noted_stop_signal();

}  // namespace msn
