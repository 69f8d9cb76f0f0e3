// SPDX-License-Identifier: Apache-2.0
// Memory that is taken from the system once and then used again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <mutex>
#include <set>
#include <span>
#include <utility>

namespace msn {

/// Ranges of an address space [0, capacity), handed out by best fit: the smallest free range that is large enough, of
/// equals the lowest. Free neighbours become one. Where a range lies is a function of the calls before, so that who
/// repeats his calls from an equal state gets the same ranges. Everything in multiples of a granule.
class BestFit {
 public:
  BestFit(std::uint64_t capacity, std::uint64_t granule, std::pmr::memory_resource& nodes);

  static constexpr std::uint64_t no_room = ~std::uint64_t{0};

  /// The offset of `bytes` > 0, rounded up to the granule, or no_room.
  std::uint64_t take(std::uint64_t bytes);
  /// Gives back what take() gave; returns its length.
  std::uint64_t give_back(std::uint64_t offset);

  /// The length that `bytes` takes.
  std::uint64_t rounded(std::uint64_t bytes) const { return (bytes + granule_ - 1) / granule_ * granule_; }

 private:
  void insert_free(std::uint64_t offset, std::uint64_t length);
  void erase_free(std::uint64_t offset, std::uint64_t length);

  const std::uint64_t capacity_;
  const std::uint64_t granule_;
  std::uint64_t top_ = 0;                             ///< Everything from here on was never handed out.
  std::pmr::map<std::uint64_t, std::uint64_t> used_;  ///< Length by offset.
  std::pmr::map<std::uint64_t, std::uint64_t> free_;  ///< Likewise, below top_.
  std::pmr::set<std::pair<std::uint64_t, std::uint64_t>> free_by_length_;  ///< (length, offset)
};

/// In bytes.
struct ArenaUsage {
  std::uint64_t in_use = 0;       ///< Handed out, rounded up to what it takes.
  std::uint64_t peak_in_use = 0;  ///< The most so far.
  std::uint64_t committed = 0;    ///< Taken from the system so far; nothing is given back.
  std::uint64_t growths = 0;      ///< How often more was taken from the system.
  std::uint64_t refused = 0;      ///< Requests that did not fit.
};

/// A reserved range of addresses, readable and writable as far as it has been needed (in steps of 2 MiB, huge pages
/// where the system has them on request). Small blocks lie apart from large ones, which they would scatter. Memory is
/// given back to the system by no one and at no time: an arena is for the whole process, and has no destructor that
/// unmaps what somebody may still hold. Any thread may call.
class Arena {
 public:
  /// Reserves `capacity` bytes of addresses, or, if the system refuses, what it grants of a half, a quarter, ...; maybe
  /// none.
  explicit Arena(std::uint64_t capacity);

  /// As much as this machine has memory, and at most half of what the process may map (`ulimit -v`).
  static std::uint64_t capacity_of_machine();

  /// `bytes` > 0 that begin at a multiple of 64, of a page from small_limit on; null if they do not fit or the system
  /// gives no memory. What they hold is not defined.
  void* allocate(std::size_t bytes);
  /// False, and nothing done, if `block` is not from this arena.
  bool release(void* block);

  ArenaUsage usage() const;
  /// Counts peak_in_use anew from what is in use now.
  void reset_peak();
  /// Bytes of addresses.
  std::uint64_t capacity() const { return reserved_.size(); }

  /// Held while the process forks, so that the child finds the arena whole.
  std::mutex& mutex() { return mutex_; }

  static constexpr std::size_t small_limit = std::size_t{1} << 16;

 private:
  /// A part of the reservation with its own blocks.
  struct Heap {
    std::byte* begin;
    std::uint64_t capacity;
    BestFit ranges;
    std::uint64_t committed = 0;
  };
  bool commit(Heap& heap, std::uint64_t end);
  Heap* heap_of(const std::byte* block);

  const std::span<std::byte> reserved_;
  mutable std::mutex mutex_;
  std::pmr::unsynchronized_pool_resource nodes_;
  Heap small_;
  Heap large_;
  ArenaUsage usage_;
};

}  // namespace msn
