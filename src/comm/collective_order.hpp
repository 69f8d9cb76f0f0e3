// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.hpp"
#include "comm/flight_recorder.hpp"
#include "comm/world.hpp"

namespace msn {

/// The collectives that this rank has called, to be compared between ranks. For libraries that do not notice when ranks
/// call different ones: with equal sizes they mix the values up, with others they hang.
class CollectiveOrder {
 public:
  void add(CollectiveKind kind, std::string_view type, std::uint64_t count, std::string_view what);

  /// Throws an agreed internal_error that names the first rank whose calls are not those of rank 0. All ranks call,
  /// after the same calls of add().
  void check(const World& world) const;

 private:
  Hasher calls_;
  std::uint64_t count_ = 0;
  std::string last_ = "none";
};

}  // namespace msn
