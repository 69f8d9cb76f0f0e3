// SPDX-License-Identifier: Apache-2.0
// What the processors of this machine are, and how much of them has been used.
#pragma once

#include <filesystem>
#include <string>

namespace msn {

/// The first processor by the name that the kernel gives it, "AMD EPYC 9654 96-Core Processor"; empty: not told, as on
/// Arm.
std::string processor_model(const std::filesystem::path& cpuinfo = "/proc/cpuinfo");

/// CPU seconds that this machine has spent on anything so far, what a hypervisor took for others included; 0: not told.
double machine_cpu_seconds(const std::filesystem::path& stat = "/proc/stat");

/// CPU seconds that all threads of this process have used so far.
double own_cpu_seconds();

/// Cores of this machine that are switched on, whoever may use them.
int online_cores();

/// Processes that ran or wanted to, the mean of the last minute; 0: not told.
double load_average();

}  // namespace msn
