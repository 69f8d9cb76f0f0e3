// SPDX-License-Identifier: Apache-2.0
#include "comm/stall_clock.hpp"

#include <algorithm>

namespace msn {

Seconds limit_of(Section section, bool lenient, bool copies_data, Seconds limit) {
  switch (section) {
    case Section::start:
      return (copies_data ? 60 : 6) * limit;
    case Section::checkpoint:
    case Section::evaluate:
      return 6 * limit;
    case Section::data:
    case Section::forward:
    case Section::backward:
    case Section::reduce:
    case Section::update:
      break;
  }
  return lenient ? 2 * limit : limit;
}

Seconds tick_of(Seconds limit) {
  return std::clamp(limit / 30, Seconds(0.01), Seconds(1));
}

Seconds StallClock::tick(Seconds passed, std::uint64_t entries) {
  if (entries != entries_) {
    entries_ = entries;
    counted_ = Seconds(0);
  } else {
    counted_ += std::min(passed, most_);
  }
  return counted_;
}

}  // namespace msn
