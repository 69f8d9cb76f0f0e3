// SPDX-License-Identifier: Apache-2.0
// Collectives on host memory that go on while the caller computes. No LibTorch: MpiCommunicator is its tensor form.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <variant>

#include "comm/exchange.hpp"
#include "comm/world.hpp"

namespace msn {

/// By which way values go; `automatic` takes shared memory if all ranks are on one host.
enum class ExchangePath : std::uint8_t { automatic, shared_memory, messages };
/// `automatic` starts a thread wherever MPI allows it (shared memory needs no MPI, messages MPI_THREAD_MULTIPLE).
enum class Background : std::uint8_t { automatic, off };

struct CollectiveOptions {
  ExchangePath path = ExchangePath::automatic;
  Background background = Background::automatic;
  ExchangeSizes sizes;
};

/// Values of one scalar type in host memory.
using Values = std::variant<std::span<float>, std::span<double>, std::span<kernels::Bf16>>;

/// Runs collectives in the order of the calls, which is the same on every rank. A thread of its own runs them while the
/// caller computes; it sleeps between two looks at the other ranks, so as not to take the core from who computes. A
/// caller that waits runs what has not begun by itself, without a change of threads, and hurries the thread on. Where
/// there is no thread, collectives run when somebody waits for them: the same bits.
///
/// Every collective is compared over ranks before it runs (check_calls()) and recorded in World::recorder(). An error
/// is thrown by the wait for the collective that met it and by the waits for all later ones. All calls come from one
/// thread. With one rank nothing is sent.
class AsyncCollectives {
 public:
  /// One that was asked for.
  struct Operation;
  using Handle = std::shared_ptr<Operation>;

  /// All ranks call, with equal options.
  AsyncCollectives(const World& world, CollectiveOptions options);
  /// Communicates nothing and waits for no rank: what is under way is given up, and the memory that other ranks or MPI
  /// may still write to is never freed.
  ~AsyncCollectives();
  AsyncCollectives(const AsyncCollectives&) = delete;
  AsyncCollectives& operator=(const AsyncCollectives&) = delete;

  /// In-place sum over ranks, added in rank order; bfloat16 in float32 with one rounding. `keep` owns the values'
  /// memory and is held until the sum is done.
  Handle start_sum(Values values, const std::string& what, std::shared_ptr<const void> keep);
  /// `all` gets every rank's `mine`, of one type, in rank order.
  Handle start_gather(Values mine, Values all, const std::string& what, std::shared_ptr<const void> keep);

  /// Returns when the result is there; throws what went wrong.
  void wait(const Handle& operation);

  /// As start and wait at once; wakes nobody.
  void sum(Values values, const std::string& what);
  void gather(Values mine, Values all, const std::string& what);

  /// Waits for all that was started, ends the thread and gives MPI's objects back. All ranks call, on the good path.
  void shutdown();

  /// Time that the caller has spent waiting.
  double wait_seconds() const { return wait_seconds_; }
  /// From this rank's first to its last act in an operation that is done.
  static double seconds(const Handle& operation);
  /// Whether they go on, on a thread of their own, while the caller computes.
  bool in_background() const { return thread_.joinable(); }
  /// For people, for instance "shared memory, in the background".
  const std::string& description() const { return description_; }

 private:
  Handle enqueue(CollectiveKind kind, Values mine, Values all, const std::string& what,
                 std::shared_ptr<const void> keep);
  void run_front(std::unique_lock<std::mutex>& lock, const Pause& pause);
  void run_until(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done);
  void execute(Operation& operation, const Pause& pause);
  void pause_thread(int looks);
  void work();
  void end_thread();

  const World& world_;
  std::string description_;
  std::unique_ptr<Exchange> exchange_;  ///< Null: one rank, or shut down.
  std::uint64_t next_ = 0;
  double wait_seconds_ = 0;

  std::mutex mutex_;
  std::condition_variable work_;      ///< For the thread: something to do, or to do faster.
  std::condition_variable finished_;  ///< For the caller.
  std::deque<Handle> queue_;          ///< Not begun.
  Handle running_;
  std::exception_ptr failure_;  ///< Of the first that failed.
  Handle failed_;               ///< It.
  bool stop_ = false;
  bool hurry_ = false;  ///< The caller waits.
  std::thread thread_;  // Last: it uses all the others.
};

}  // namespace msn
