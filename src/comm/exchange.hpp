// SPDX-License-Identifier: Apache-2.0
// The two ways by which values go from rank to rank on the host. Both add in rank order: the same bits.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "comm/call.hpp"
#include "comm/world.hpp"

namespace msn {

/// What a waiting rank does between two looks at the others; throws to give up. `looks` counts those of this wait from
/// 0.
using Pause = std::function<void(int looks)>;

/// How messages are cut. The same on every rank; no value changes a bit of a result.
struct ExchangeSizes {
  std::size_t gather_bytes = std::size_t{32} << 10;  ///< Sums up to here: every rank reads everything and adds it all.
  /// Larger messages go in pieces of this size, which bounds memory. 0: 1 MiB in shared memory, 8 MiB between hosts.
  std::size_t piece_bytes = 0;
};

/// Blocking collectives of one thread at a time, in the same order on every rank. Every call compares `call` over the
/// ranks first: check_calls(). After an error only destruction is left.
class Exchange {
 public:
  /// Communicates nothing and leaves MPI's objects to the end of the process.
  virtual ~Exchange() = default;
  /// values[i] becomes the sum over ranks of values[i]; bfloat16 is added in float32 and rounded once.
  virtual void sum(const Call& call, std::span<float> values, const Pause& pause) = 0;
  virtual void sum(const Call& call, std::span<double> values, const Pause& pause) = 0;
  virtual void sum(const Call& call, std::span<kernels::Bf16> values, const Pause& pause) = 0;
  /// `all` gets every rank's `mine`, in rank order; equal lengths.
  virtual void gather(const Call& call, std::span<const std::byte> mine, std::span<std::byte> all,
                      const Pause& pause) = 0;
  /// Gives MPI's objects back. All ranks call; nothing but destruction may follow.
  virtual void free() = 0;
};

/// Through a window that the ranks of this host share: each rank copies a piece into its part, adds its slice of all
/// parts, and reads the others' slices back. All ranks must be on one host. Memory: two pieces a rank. Makes no MPI
/// call after its constructor until free(). All ranks call.
std::unique_ptr<Exchange> make_shared_exchange(const World& world, ExchangeSizes sizes);

/// By messages: an all-to-all gives every rank its slice of all ranks, an all-gather gives the added slices to all; a
/// small all-gather before carries the calls. Works between hosts. Memory: max(gather_bytes x ranks, one piece) a rank.
/// All ranks call.
std::unique_ptr<Exchange> make_message_exchange(const World& world, ExchangeSizes sizes);

}  // namespace msn
