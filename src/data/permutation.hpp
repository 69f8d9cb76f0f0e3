// SPDX-License-Identifier: Apache-2.0
// Keyed permutations as pure functions: nothing is stored, any place is found at once, in both directions.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.hpp"

namespace msn {

/// Which of the permutations of n values. Different keys give unrelated permutations.
struct PermutationKey {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;  ///< Below 2^32.
  Purpose purpose = Purpose::shuffle;
  std::uint32_t set = 0;   ///< Number of the data set, below 2^16.
  std::uint32_t part = 0;  ///< Of what is shuffled part by part.
};

/// A permutation of 0 .. n-1: a Feistel network over Philox (Luby and Rackoff, SIAM J. Comput. 17, 1988) that walks its
/// cycle until the value is below n.
class Permutation {
 public:
  /// 0 < n <= 2^32.
  Permutation(std::uint64_t n, const PermutationKey& key);

  /// The value at `place`; place < n.
  std::uint64_t at(std::uint64_t place) const;
  /// The place of `value`: at(place_of(value)) == value.
  std::uint64_t place_of(std::uint64_t value) const;

 private:
  std::uint64_t mixed(std::uint32_t round, std::uint64_t half) const;

  std::uint64_t n_;
  int half_bits_;  ///< The network permutes 2^(2 half_bits) values, at least n.
  std::uint64_t mask_;
  PermutationKey key_;
};

}  // namespace msn
