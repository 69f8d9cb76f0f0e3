// SPDX-License-Identifier: Apache-2.0
#include "base/utc.hpp"

#include <cstdio>
#include <ctime>

namespace msn {

namespace {

using Clock = std::chrono::system_clock;

std::string to_the_second(Clock::time_point time) {
  const std::time_t whole = Clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return text;
}

}  // namespace

double unix_time() {
  const auto since = Clock::now().time_since_epoch();  // Of 1970, by C++20.
  return static_cast<double>(std::chrono::floor<std::chrono::milliseconds>(since).count()) / 1000;
}

std::string utc_text(Clock::time_point time) {
  return to_the_second(time) + "Z";
}

std::string utc_text_milliseconds(Clock::time_point time) {
  const auto rest = time - std::chrono::floor<std::chrono::seconds>(time);
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ",
                static_cast<int>(std::chrono::floor<std::chrono::milliseconds>(rest).count()));
  return to_the_second(time) + fraction;
}

std::optional<Clock::time_point> utc_time(const std::string& text) {
  std::tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr || (*rest != 'Z' && *rest != '.')) return std::nullopt;
  return Clock::from_time_t(::timegm(&parts));
}

}  // namespace msn
