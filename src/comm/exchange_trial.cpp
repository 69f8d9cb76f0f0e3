// SPDX-License-Identifier: Apache-2.0
#include "comm/exchange_trial.hpp"

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.hpp"
#include "comm/add_parts.hpp"
#include "kernels/bf16.hpp"

namespace msn {

namespace {

/// Whole numbers that bfloat16 holds, so that every sum in float32 is exact.
int value_of(std::size_t place, int rank) {
  return static_cast<int>(place % 17) + rank % 64;
}

/// What rank 0 to size - 1 together have at `place`, less what depends on it.
int sum_of_ranks(int size) {
  int sum = 0;
  for (int rank = 0; rank < size; ++rank)
    sum += value_of(0, rank);
  return sum;
}

[[noreturn]] void wrong(const std::string& what, const std::string& way, std::size_t place) {
  throw usage_error("a " + what + " over ranks by " + way + " has a wrong value at place " + std::to_string(place), "",
                    "this MPI or its network mixes up data: try another transport (Open MPI: --mca pml ob1 --mca btl "
                    "tcp,self), and tell who runs it");
}

template <class T>
T stored(float value) {
  if constexpr (std::is_same_v<T, kernels::Bf16>) {
    return to_bf16(value);
  } else {
    return value;
  }
}

template <class T>
std::vector<T> values_of(std::size_t length, int rank) {
  std::vector<T> values(length);
  for (std::size_t i = 0; i < length; ++i)
    values[i] = stored<T>(static_cast<float>(value_of(i, rank)));
  return values;
}

template <class T>
void try_sum(const World& world, AsyncCollectives& collectives, const std::string& way, std::size_t length) {
  std::vector<T> values = values_of<T>(length, world.rank());
  collectives.sum(std::span(values), "self-test");
  const int ranks = sum_of_ranks(world.size());
  world.agree([&] {
    for (std::size_t i = 0; i < length; ++i) {
      const T wanted = stored<T>(static_cast<float>(world.size() * value_of(i, 0) + ranks));
      if (std::memcmp(&values[i], &wanted, sizeof wanted) != 0) wrong("sum", way, i);
    }
  });
}

void try_gather(const World& world, AsyncCollectives& collectives, const std::string& way, std::size_t length) {
  std::vector<float> mine = values_of<float>(length, world.rank());
  std::vector<float> all(length * static_cast<std::size_t>(world.size()));
  collectives.gather(std::span(mine), std::span(all), "self-test");
  world.agree([&] {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] != static_cast<float>(value_of(i % length, static_cast<int>(i / length)))) wrong("gather", way, i);
    }
  });
}

}  // namespace

void try_exchange(const World& world, ExchangePath path) {
  MSN_CHECK(path != ExchangePath::automatic);
  AsyncCollectives collectives(world, {path, Background::automatic, {}});
  const std::string way = path == ExchangePath::shared_memory ? "shared memory" : "messages";
  constexpr std::size_t whole = 1001, sliced = 600'007;
  for (const std::size_t length : {whole, sliced}) {
    try_sum<float>(world, collectives, way, length);
    try_sum<double>(world, collectives, way, length);
    try_sum<kernels::Bf16>(world, collectives, way, length);
  }
  try_gather(world, collectives, way, whole);
  collectives.shutdown();
}

}  // namespace msn
