// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: every draw is a pure function of what it is for, so that it does not depend on rank
// count, threads, order or restarts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace msn {

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): one block of
/// four 32-bit numbers from a counter and a key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// What a stream of draws is for. The numbers are part of what a seed gives: never renumber.
enum class Purpose : std::uint8_t {
  shuffle = 1,
  crop = 2,
  flip = 3,
  jitter = 4,
  grayscale = 5,
  blur = 6,
  mask = 7,
  init = 8,
  generator = 9,
  drop_path = 10,
  subset = 11,
  replacement = 12,
  shuffle_blocks = 13,
  shuffle_window = 14,
  mixing = 20,
  rand_augment = 21,
};

/// A stream of random numbers keyed by (seed, epoch, sample, view, purpose).
class RandomStream {
 public:
  /// `view` below 2^24, `sample` and `epoch` below 2^32.
  RandomStream(std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample, std::uint32_t view, Purpose purpose);
  /// The stream of a named thing, for instance a tensor's initial values.
  RandomStream(std::uint64_t seed, std::string_view name, Purpose purpose);

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform integer in [0, bound), bound > 0, without bias (Lemire 2019).
  std::uint32_t below(std::uint32_t bound);
  bool chance(double probability) { return uniform() < probability; }
  /// Standard normal (Box-Muller, one value a call, the second is dropped: no state beyond the counter).
  double normal();
  /// A uniformly random permutation of 0 .. n-1 (Fisher-Yates).
  std::vector<std::uint32_t> permutation(std::uint32_t n);

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace msn
