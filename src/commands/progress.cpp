// SPDX-License-Identifier: Apache-2.0
#include "commands/progress.hpp"

#include <cstdio>

#include "base/log.hpp"

namespace msn {

void ProgressLines::operator()(std::uint64_t done, std::uint64_t total) {
  const Clock::time_point now = Clock::now();
  if (now - last_ < std::chrono::seconds(3)) return;
  last_ = now;
  char line[160];
  std::snprintf(line, sizeof line, "%s %llu of %llu images, %.0f a second", verb_.c_str(),
                static_cast<unsigned long long>(done), static_cast<unsigned long long>(total),
                static_cast<double>(done) / std::chrono::duration<double>(now - start_).count());
  log::info(line);
}

}  // namespace msn
