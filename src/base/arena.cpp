// SPDX-License-Identifier: Apache-2.0
#include "base/arena.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/error.hpp"

namespace msn {

BestFit::BestFit(std::uint64_t capacity, std::uint64_t granule, std::pmr::memory_resource& nodes)
    : capacity_(capacity), granule_(granule), used_(&nodes), free_(&nodes), free_by_length_(&nodes) {}

void BestFit::insert_free(std::uint64_t offset, std::uint64_t length) {
  free_.emplace(offset, length);
  free_by_length_.emplace(length, offset);
}

void BestFit::erase_free(std::uint64_t offset, std::uint64_t length) {
  free_.erase(offset);
  free_by_length_.erase({length, offset});
}

std::uint64_t BestFit::take(std::uint64_t bytes) {
  const std::uint64_t length = rounded(bytes);
  if (bytes == 0 || length < bytes) return no_room;
  std::uint64_t offset = top_;
  std::uint64_t room = 0;
  if (const auto fit = free_by_length_.lower_bound({length, 0}); fit != free_by_length_.end()) {
    std::tie(room, offset) = *fit;
  } else if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == top_) {
    std::tie(offset, room) = *free_.rbegin();  // Too small, but what lies behind it can be added.
  }
  if (length > capacity_ - offset) return no_room;
  if (room > 0) erase_free(offset, room);
  if (room > length) insert_free(offset + length, room - length);
  top_ = std::max(top_, offset + length);
  used_.emplace(offset, length);
  return offset;
}

std::uint64_t BestFit::give_back(std::uint64_t offset) {
  const auto found = used_.find(offset);
  MSN_CHECK(found != used_.end());
  const std::uint64_t length = found->second;
  used_.erase(found);
  std::uint64_t begin = offset, end = offset + length;
  if (const auto after = free_.find(end); after != free_.end()) {
    end += after->second;
    erase_free(offset + length, end - offset - length);
  }
  if (const auto after = free_.lower_bound(offset); after != free_.begin()) {
    const auto [before, its_length] = *std::prev(after);
    if (before + its_length == offset) {
      begin = before;
      erase_free(before, its_length);
    }
  }
  insert_free(begin, end - begin);
  return length;
}

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;
constexpr std::uint64_t kCacheLine = 64;

constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint64_t to) {
  return (bytes + to - 1) / to * to;
}

/// Addresses without memory, a multiple of huge pages that begins at one; as many of `bytes` as the system grants.
/// Without access they count against no limit of memory.
std::span<std::byte> reserve(std::uint64_t bytes) {
  for (bytes = bytes / kHugePage * kHugePage; bytes > 0; bytes = bytes / 2 / kHugePage * kHugePage) {
    void* const found =
        ::mmap(nullptr, bytes + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED) continue;
    const auto address = reinterpret_cast<std::uintptr_t>(found);
    auto* const begin = static_cast<std::byte*>(found) + (round_up(address, kHugePage) - address);
    // Fewer page faults and misses of the address translation. Where the system has no huge pages this changes nothing.
    ::madvise(begin, bytes, MADV_HUGEPAGE);
    return {begin, bytes};
  }
  return {};
}

/// The part of `capacity` for small blocks: those of a step are far below a hundredth of it.
std::uint64_t small_part(std::uint64_t capacity) {
  return capacity / 16 / kHugePage * kHugePage;
}

}  // namespace

Arena::Arena(std::uint64_t capacity)
    : reserved_(reserve(capacity)),
      small_{reserved_.data(), small_part(reserved_.size()), BestFit(small_part(reserved_.size()), kCacheLine, nodes_)},
      large_{reserved_.data() + small_.capacity, reserved_.size() - small_.capacity,
             BestFit(reserved_.size() - small_.capacity, kPage, nodes_)} {}

std::uint64_t Arena::capacity_of_machine() {
  std::uint64_t bytes =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    bytes = std::min(bytes, limit.rlim_cur / 2);
  return bytes;
}

/// Makes the heap usable up to `end`, and a little beyond: what a program keeps of its first step can move the blocks of
/// the second one by as much. Pages that nobody touches take no memory.
bool Arena::commit(Heap& heap, std::uint64_t end) {
  if (end <= heap.committed) return true;
  const std::uint64_t needed = std::min(round_up(end + end / 16, kHugePage), heap.capacity);
  if (::mprotect(heap.begin + heap.committed, needed - heap.committed, PROT_READ | PROT_WRITE) != 0) return false;
  usage_.committed += needed - heap.committed;
  heap.committed = needed;
  ++usage_.growths;
  return true;
}

Arena::Heap* Arena::heap_of(const std::byte* block) {
  // As numbers: pointers into different objects have no order.
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  for (Heap* const heap : {&small_, &large_}) {
    const auto begin = reinterpret_cast<std::uintptr_t>(heap->begin);
    if (address >= begin && address - begin < heap->capacity) return heap;
  }
  return nullptr;
}

void* Arena::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  Heap& heap = bytes < small_limit ? small_ : large_;
  const std::uint64_t offset = heap.ranges.take(bytes);
  if (offset == BestFit::no_room) {
    ++usage_.refused;
    return nullptr;
  }
  if (!commit(heap, offset + heap.ranges.rounded(bytes))) {
    heap.ranges.give_back(offset);
    ++usage_.refused;
    return nullptr;
  }
  usage_.in_use += heap.ranges.rounded(bytes);
  usage_.peak_in_use = std::max(usage_.peak_in_use, usage_.in_use);
  return heap.begin + offset;
}

bool Arena::release(void* block) {
  auto* const begin = static_cast<std::byte*>(block);
  Heap* const heap = heap_of(begin);
  if (heap == nullptr) return false;
  const std::lock_guard lock(mutex_);
  usage_.in_use -= heap->ranges.give_back(static_cast<std::uint64_t>(begin - heap->begin));
  return true;
}

void Arena::reset_peak() {
  const std::lock_guard lock(mutex_);
  usage_.peak_in_use = usage_.in_use;
}

ArenaUsage Arena::usage() const {
  const std::lock_guard lock(mutex_);
  return usage_;
}

}  // namespace msn
