// SPDX-License-Identifier: Apache-2.0
#include "train/replicas.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/hash.hpp"

namespace msn {

namespace {

constexpr std::size_t kDigits = 32;  // Of one hash.

/// The lowest of the ranks that hold the most common value.
std::size_t reference_rank(const std::vector<std::string>& values) {
  const auto holders = [&](const std::string& value) { return std::count(values.begin(), values.end(), value); };
  std::size_t best = 0;
  for (std::size_t rank = 1; rank < values.size(); ++rank) {
    if (holders(values[rank]) > holders(values[best])) best = rank;
  }
  return best;
}

/// "rank 1" or "ranks 1, 3".
std::string list_of(const std::vector<std::size_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return text;
}

/// Finds what differs, tensor by tensor. Collective.
[[noreturn]] void report(const World& world, TrainState& state, const std::vector<StateTensor>& tensors,
                         const std::vector<std::string>& whole) {
  std::string mine;
  for (const StateTensor& tensor : tensors)
    mine += hash_hex(tensor.bytes);
  const std::vector<std::string> hashes = world.gather(mine);
  const std::vector<std::string> hosts = world.gather(world.host());
  const std::size_t reference = reference_rank(whole);
  std::vector<std::size_t> ranks;
  std::set<std::string> places;
  for (std::size_t rank = 0; rank < whole.size(); ++rank) {
    if (whole[rank] == whole[reference]) continue;
    ranks.push_back(rank);
    places.insert(hosts[rank]);
  }
  std::string first;
  std::size_t others = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto hash = [&](std::size_t rank) { return std::string_view(hashes[rank]).substr(i * kDigits, kDigits); };
    if (std::all_of(ranks.begin(), ranks.end(), [&](std::size_t rank) { return hash(rank) == hash(reference); }))
      continue;
    if (first.empty()) {
      first = tensors[i].name;
    } else {
      ++others;
    }
  }
  if (others > 0) first += " and " + std::to_string(others) + (others == 1 ? " more tensor" : " more tensors");
  std::string where = places.size() == 1 ? "host" : "hosts";
  for (const std::string& host : places)
    where += (host == *places.begin() ? " " : ", ") + host;
  throw AgreedError(numerics_error(list_of(ranks) + (ranks.size() == 1 ? " differs" : " differ") + " from rank " +
                                       std::to_string(reference) + " in " + first + " after step " +
                                       std::to_string(state.step),
                                   where,
                                   "run the same command again, it goes on from the last checkpoint; if it comes back, "
                                   "leave that host out"));
}

}  // namespace

void check_replicas(const World& world, HostState& state) {
  state.download();
  if (world.size() == 1) return;
  const std::vector<StateTensor> tensors = state.tensors();
  Hasher hasher;
  for (const StateTensor& tensor : tensors)
    hasher.update(tensor.bytes);
  const std::vector<std::string> whole = world.gather(hasher.hex());
  if (std::any_of(whole.begin(), whole.end(), [&](const std::string& hash) { return hash != whole[0]; }))
    report(world, state.get(), tensors, whole);
}

void check_replicas(const World& world, TrainState& state) {
  HostState host(state);
  check_replicas(world, host);
}

}  // namespace msn
