// SPDX-License-Identifier: Apache-2.0
#include "comm/collective_ledger.hpp"

#include <utility>

namespace msn {

std::uint64_t CollectiveLedger::issued(const CollectiveCall& call) {
  order_.add(call.kind, call.type, call.count, call.what);
  return recorder_.issued(Channel::tensors, call.kind, call.what, call.bytes);
}

void CollectiveLedger::ends_before(std::uint64_t number, IsPast is_past) {
  const std::lock_guard lock(mutex_);
  pending_.push_back({{number}, std::move(is_past)});
}

void CollectiveLedger::captured(CollectiveCall call) {
  capturing_ = true;
  captured_.push_back(std::move(call));
}

CapturedCollectives CollectiveLedger::take_captured() {
  capturing_ = false;
  return std::exchange(captured_, {});
}

void CollectiveLedger::replayed(const CapturedCollectives& calls, IsPast is_past) {
  std::vector<std::uint64_t> numbers;
  for (const CollectiveCall& call : calls) {
    numbers.push_back(issued(call));
    started(numbers.back());
  }
  const std::lock_guard lock(mutex_);
  pending_.push_back({std::move(numbers), std::move(is_past)});
}

void CollectiveLedger::look() {
  const std::lock_guard lock(mutex_);
  while (!capturing_ && !pending_.empty() && pending_.front().is_past()) {
    for (const std::uint64_t number : pending_.front().numbers)
      recorder_.finished(number);
    pending_.pop_front();
  }
}

bool CollectiveLedger::is_idle() const {
  const std::lock_guard lock(mutex_);
  return pending_.empty();
}

}  // namespace msn
