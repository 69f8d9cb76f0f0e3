// SPDX-License-Identifier: Apache-2.0
#include "data/permutation.hpp"

#include <bit>

#include "base/error.hpp"

namespace msn {

namespace {

constexpr std::uint32_t rounds = 6;

}  // namespace

Permutation::Permutation(std::uint64_t n, const PermutationKey& key)
    : n_(n), half_bits_((std::bit_width(n - 1) + 1) / 2), mask_((std::uint64_t{1} << half_bits_) - 1), key_(key) {
  MSN_CHECK(n > 0 && n <= (std::uint64_t{1} << 32) && (key.epoch >> 32) == 0 && (key.set >> 16) == 0);
}

std::uint64_t Permutation::mixed(std::uint32_t round, std::uint64_t half) const {
  const std::uint32_t tag = static_cast<std::uint32_t>(key_.purpose) << 24 | key_.set << 8 | round;
  const auto block =
      philox4x32({static_cast<std::uint32_t>(half), tag, key_.part, static_cast<std::uint32_t>(key_.epoch)},
                 {static_cast<std::uint32_t>(key_.seed), static_cast<std::uint32_t>(key_.seed >> 32)});
  return block[0] & mask_;
}

std::uint64_t Permutation::at(std::uint64_t place) const {
  MSN_CHECK(place < n_);
  std::uint64_t value = place;
  do {
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask_;
    for (std::uint32_t round = 0; round < rounds; ++round) {
      const std::uint64_t next = left ^ mixed(round, right);
      left = right;
      right = next;
    }
    value = left << half_bits_ | right;
  } while (value >= n_);
  return value;
}

std::uint64_t Permutation::place_of(std::uint64_t value) const {
  MSN_CHECK(value < n_);
  std::uint64_t place = value;
  do {
    std::uint64_t left = place >> half_bits_;
    std::uint64_t right = place & mask_;
    for (std::uint32_t round = rounds; round-- > 0;) {
      const std::uint64_t before = right ^ mixed(round, left);
      right = left;
      left = before;
    }
    place = left << half_bits_ | right;
  } while (place >= n_);
  return place;
}

}  // namespace msn
