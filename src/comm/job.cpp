// SPDX-License-Identifier: Apache-2.0
#include "comm/job.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/log.hpp"
#include "base/utc.hpp"

namespace msn {

namespace {

using Clock = std::chrono::system_clock;

/// Empty where it is not set.
std::string_view environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

/// Seconds since 1970, up to the year 2255.
std::optional<Clock::time_point> time_of(std::string_view text) {
  constexpr std::int64_t last = 9'000'000'000;
  std::int64_t seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!whole || seconds < 0 || seconds > last) return std::nullopt;
  return Clock::time_point(std::chrono::seconds(seconds));
}

}  // namespace

std::optional<JobId> job_of_environment() {
  constexpr std::array<std::array<const char*, 2>, 4> variables{
      {{"Slurm", "SLURM_JOB_ID"}, {"PBS", "PBS_JOBID"}, {"LSF", "LSB_JOBID"}, {"Flux", "FLUX_JOB_ID"}}};
  for (const auto& [scheduler, variable] : variables) {
    if (const auto id = environment(variable); !id.empty()) return JobId{scheduler, std::string(id)};
  }
  return std::nullopt;
}

std::optional<JobEnd> job_end_of_environment(Clock::time_point now) {
  for (const char* variable : {"MSN_JOB_END", "SLURM_JOB_END_TIME"}) {
    const std::string_view text = environment(variable);
    if (text.empty()) continue;
    const std::optional<Clock::time_point> time = time_of(text);
    if (time && *time > now) return JobEnd{*time, variable};
    const std::string problem =
        time ? "is past (" + utc_text(*time) + ")" : "is no time in whole seconds since 1970: " + std::string(text);
    log::warn("the job's end is not known: " + std::string(variable) + " " + problem);
  }
  return std::nullopt;
}

}  // namespace msn
