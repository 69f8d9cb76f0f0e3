// SPDX-License-Identifier: Apache-2.0
#include "comm/call.hpp"

#include <algorithm>
#include <cstring>

#include "base/hash.hpp"

namespace msn {

Call::Call(std::uint64_t sequence_, CollectiveKind kind_, std::uint64_t count_, Scalar scalar_, std::string_view what_)
    : sequence(sequence_), count(count_), what_hash(hash_name(what_)), kind(kind_), scalar(scalar_) {
  std::copy_n(what_.begin(), std::min(what_.size(), sizeof what - 1), what);
}

bool operator==(const Call& a, const Call& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

std::string to_string(const Call& call) {
  constexpr const char* scalars[] = {"float32", "float64", "bfloat16"};
  return std::string(to_string(call.kind)) + " of " + std::to_string(call.count) + " " +
         scalars[static_cast<std::size_t>(call.scalar)] + " \"" + call.what + "\"";
}

void check_calls(std::span<const Call> calls, std::span<const std::string> hosts) {
  if (std::all_of(calls.begin(), calls.end(), [&](const Call& call) { return call == calls[0]; })) return;
  const auto holders = [&](const Call& call) { return std::count(calls.begin(), calls.end(), call); };
  std::size_t usual = 0;
  for (std::size_t rank = 1; rank < calls.size(); ++rank) {
    if (holders(calls[rank]) > holders(calls[usual])) usual = rank;
  }
  const auto place = [&](std::size_t rank) {
    return "rank " + std::to_string(rank) + " of " + std::to_string(calls.size()) + " (host " + hosts[rank] + ")";
  };
  std::string odd;
  for (std::size_t rank = 0; rank < calls.size(); ++rank) {
    if (calls[rank] == calls[usual]) continue;
    odd += (odd.empty() ? "" : ", ") + place(rank) + " called " + to_string(calls[rank]);
  }
  const std::string others = holders(calls[usual]) == 1 ? place(usual) : "the others";
  throw JobError(internal_error(odd + " as collective " + std::to_string(calls[usual].sequence) + " where " + others +
                                " called " + to_string(calls[usual])));
}

}  // namespace msn
