// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.hpp"
#include "comm/add_parts.hpp"
#include "comm/exchange.hpp"

namespace msn {

namespace {

constexpr std::size_t kLine = 64;  // Bytes of a cache line.

/// What a rank shows the others. `phase` counts how often it has said that something is ready; what it wrote before is
/// visible to who sees the new count.
struct Board {
  alignas(kLine) std::atomic<std::uint64_t> phase{0};
  alignas(kLine) Call calls[2];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);  // As it must be between processes.
static_assert(sizeof(Board) % kLine == 0);

class SharedExchange : public Exchange {
 public:
  SharedExchange(const World& world, ExchangeSizes sizes)
      : rank_(static_cast<std::size_t>(world.rank())),
        ranks_(static_cast<std::size_t>(world.size())),
        gather_bytes_(sizes.gather_bytes),
        piece_bytes_(sizes.piece_bytes == 0 ? std::size_t{1} << 20 : sizes.piece_bytes),
        half_bytes_((std::max(gather_bytes_, piece_bytes_) + kLine - 1) / kLine * kLine),
        hosts_(world.gather(world.host())) {
    MSN_CHECK(world.local_size() == world.size() && piece_bytes_ >= sizeof(double));
    MPI_Info info = MPI_INFO_NULL;
    MSN_CHECK_MPI(MPI_Info_create(&info));
    // Whole pages for each rank, which lie near the rank that touches them first: their owner.
    MSN_CHECK_MPI(MPI_Info_set(info, "alloc_shared_noncontig", "true"));
    void* mine = nullptr;
    MSN_CHECK_MPI(MPI_Win_allocate_shared(static_cast<MPI_Aint>(kLine + sizeof(Board) + 2 * half_bytes_), 1, info,
                                          world.local_comm(), &mine, &window_));
    MSN_CHECK_MPI(MPI_Info_free(&info));
    for (std::size_t rank = 0; rank < ranks_; ++rank) {
      MPI_Aint bytes = 0;
      int unit = 0;
      void* base = nullptr;
      // Ranks of the node-local communicator are in the order of the world's.
      MSN_CHECK_MPI(MPI_Win_shared_query(window_, static_cast<int>(rank), &bytes, &unit, &base));
      // MPI may put a header of any size before the memory, but maps whole pages: the same place in every process.
      base = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(base) + kLine - 1) / kLine * kLine);
      if (rank == rank_) new (base) Board;
      boards_.push_back(std::launder(static_cast<Board*>(base)));
      memory_.push_back(static_cast<std::byte*>(base) + sizeof(Board));
    }
    MSN_CHECK_MPI(MPI_Barrier(world.local_comm()));
  }

  void sum(const Call& call, std::span<float> values, const Pause& pause) override { sum_values(call, values, pause); }
  void sum(const Call& call, std::span<double> values, const Pause& pause) override { sum_values(call, values, pause); }
  void sum(const Call& call, std::span<kernels::Bf16> values, const Pause& pause) override {
    sum_values(call, values, pause);
  }

  void gather(const Call& call, std::span<const std::byte> mine, std::span<std::byte> all,
              const Pause& pause) override {
    MSN_CHECK(all.size() == ranks_ * mine.size());
    std::size_t begin = 0;
    do {
      const auto part = mine.subspan(begin, std::min(half_bytes_, mine.size() - begin));
      show(begin == 0 ? &call : nullptr, part, pause);
      for (std::size_t rank = 0; rank < ranks_; ++rank)
        copy(all.data() + rank * mine.size() + begin, half(rank), part.size());
      begin += part.size();
    } while (begin < mine.size());
  }

  void free() override { MSN_CHECK_MPI(MPI_Win_free(&window_)); }

 private:
  template <class T>
  void sum_values(const Call& call, std::span<T> values, const Pause& pause) {
    auto& parts = std::get<std::vector<const T*>>(parts_);
    parts.resize(ranks_);
    if (values.size_bytes() <= gather_bytes_) {
      show(&call, std::as_bytes(values), pause);
      for (std::size_t rank = 0; rank < ranks_; ++rank)
        parts[rank] = reinterpret_cast<const T*>(half(rank));
      add_parts<T>(parts, values);
      return;
    }
    const std::size_t piece = piece_bytes_ / sizeof(T);
    for (std::size_t begin = 0; begin < values.size(); begin += piece) {
      const std::span<T> now = values.subspan(begin, std::min(piece, values.size() - begin));
      show(begin == 0 ? &call : nullptr, std::as_bytes(now), pause);
      const auto first = [&](std::size_t rank) { return now.size() * rank / ranks_; };
      const std::size_t mine = first(rank_);
      const std::size_t count = first(rank_ + 1) - mine;
      for (std::size_t rank = 0; rank < ranks_; ++rank)
        parts[rank] = reinterpret_cast<const T*>(half(rank)) + mine;
      add_parts<T>(parts, now.subspan(mine, count));
      // Only this rank reads slice `rank_` of any part, so the sum may take its place in its own.
      copy(half(rank_) + mine * sizeof(T), now.data() + mine, count * sizeof(T));
      signal_and_wait(pause);
      for (std::size_t rank = 0; rank < ranks_; ++rank) {
        if (rank == rank_) continue;
        copy(now.data() + first(rank), half(rank) + first(rank) * sizeof(T),
             (first(rank + 1) - first(rank)) * sizeof(T));
      }
    }
  }

  /// Puts this rank's bytes where all see them, and waits until every rank has done so. There are two halves in turn: a
  /// rank that shows its next bytes has read the last, so who sees them may write over the last but one. `call` is null
  /// but for the first piece of a message.
  void show(const Call* call, std::span<const std::byte> bytes, const Pause& pause) {
    turn_ ^= 1;
    if (call != nullptr) boards_[rank_]->calls[turn_] = *call;
    copy(half(rank_), bytes.data(), bytes.size());
    signal_and_wait(pause);
    if (call == nullptr) return;
    calls_.clear();
    for (const Board* board : boards_)
      calls_.push_back(board->calls[turn_]);
    check_calls(calls_, hosts_);
  }

  void signal_and_wait(const Pause& pause) {
    boards_[rank_]->phase.store(++phase_, std::memory_order_release);
    for (const Board* board : boards_) {
      for (int looks = 0; board->phase.load(std::memory_order_acquire) < phase_; ++looks)
        pause(looks);
    }
  }

  std::byte* half(std::size_t rank) const { return memory_[rank] + turn_ * half_bytes_; }

  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  const std::size_t rank_;
  const std::size_t ranks_;
  const std::size_t gather_bytes_;
  const std::size_t piece_bytes_;
  const std::size_t half_bytes_;
  const std::vector<std::string> hosts_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::vector<Board*> boards_;
  std::vector<std::byte*> memory_;  ///< Two halves a rank.
  std::vector<Call> calls_;
  std::tuple<std::vector<const float*>, std::vector<const double*>, std::vector<const kernels::Bf16*>> parts_;
  std::uint64_t phase_ = 0;
  std::size_t turn_ = 0;
};

}  // namespace

std::unique_ptr<Exchange> make_shared_exchange(const World& world, ExchangeSizes sizes) {
  return std::make_unique<SharedExchange>(world, sizes);
}

}  // namespace msn
