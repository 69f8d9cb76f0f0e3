// SPDX-License-Identifier: Apache-2.0
#include "comm/collective_order.hpp"

#include <vector>

#include "base/error.hpp"
#include "base/wire.hpp"

namespace msn {

void CollectiveOrder::add(CollectiveKind kind, std::string_view type, std::uint64_t count, std::string_view what) {
  last_ = std::string(to_string(kind)) + " of " + std::string(what) + ", " + std::to_string(count) + " x " +
          std::string(type);
  calls_.update(last_);
  calls_.update(std::string_view("\n"));
  ++count_;
}

void CollectiveOrder::check(const World& world) const {
  struct Calls {
    std::string hash;
    std::uint64_t count = 0;
    std::string last;
    std::string host;
  };
  WireWriter mine;
  mine.put(calls_.hex());
  mine.put(count_);
  mine.put(last_);
  mine.put(world.host());
  const std::vector<std::string> all = world.gather(mine.take());
  std::vector<Calls> calls;
  for (const std::string& text : all) {
    WireReader from(text);
    Calls& one = calls.emplace_back();
    one.hash = from.text();
    one.count = from.get<std::uint64_t>();
    one.last = from.text();
    one.host = from.text();
  }
  for (std::size_t rank = 1; rank < calls.size(); ++rank) {
    if (calls[rank].hash == calls[0].hash) continue;
    const auto said = [](const Calls& one) { return std::to_string(one.count) + " calls, the last " + one.last; };
    throw AgreedError(internal_error("rank " + std::to_string(rank) + " called other collectives (" +
                                         said(calls[rank]) + ") than rank 0 (" + said(calls[0]) + ")",
                                     "host " + calls[rank].host));
  }
}

}  // namespace msn
