// SPDX-License-Identifier: Apache-2.0
#include "comm/async_collectives.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/inject.hpp"
#include "base/seconds_since.hpp"

namespace msn {

namespace {

using Clock = std::chrono::steady_clock;

// Between two looks of the thread while nobody waits: from the least up to the greatest. The kernel adds about 50 us.
constexpr std::chrono::microseconds kLeastSleep{50};
constexpr std::chrono::microseconds kGreatestSleep{800};
// Who has looked so often, about a millisecond, waits for a rank that is behind: it leaves the core to the loader's
// threads and looks more rarely.
constexpr int kEagerLooks = 2000;
constexpr std::chrono::microseconds kCallerSleep{20};

struct GivenUp {};

/// Between two looks of a caller that waits, or of the thread while it does.
void pause_caller(int looks) {
  if (looks < kEagerLooks) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(kCallerSleep);
  }
}

std::size_t count_of(const Values& values) {
  return std::visit([](const auto& span) { return span.size(); }, values);
}

Scalar scalar_of(const Values& values) {
  return std::visit([]<class T>(std::span<T>) { return msn::scalar_of<T>(); }, values);
}

std::span<std::byte> bytes_of(const Values& values) {
  return std::visit([](const auto& span) { return std::as_writable_bytes(span); }, values);
}

}  // namespace

struct AsyncCollectives::Operation {
  Call call;
  Values mine;
  Values all;  ///< Of a gather.
  std::shared_ptr<const void> keep;
  std::uint64_t record = 0;  ///< In the flight recorder.
  // Under the mutex:
  bool done = false;
  std::exception_ptr failure;
  double seconds = 0;
};

AsyncCollectives::AsyncCollectives(const World& world, CollectiveOptions options) : world_(world) {
  if (world.size() == 1) {
    description_ = "one rank";
    return;
  }
  // Every rank must see the same.
  const bool one_host = world.all(world.local_size() == world.size());
  const bool shared =
      options.path == ExchangePath::shared_memory || (options.path == ExchangePath::automatic && one_host);
  if (shared && !one_host) {
    throw AgreedError(usage_error("ranks of several hosts cannot share memory", "the path between ranks",
                                  "let msn choose the path, or run on one host"));
  }
  exchange_ = shared ? make_shared_exchange(world, options.sizes) : make_message_exchange(world, options.sizes);
  description_ = shared ? "shared memory" : "messages";
  if (options.background == Background::off) {
    description_ += ", in the foreground";
  } else if (!shared && world.thread_level() < MPI_THREAD_MULTIPLE) {
    description_ += ", in the foreground because MPI allows one thread at a time";
  } else {
    description_ += ", in the background";
    thread_ = std::thread([this] { work(); });
  }
}

AsyncCollectives::~AsyncCollectives() {
  end_thread();
  const std::lock_guard guard(mutex_);
  const Handle open = running_ != nullptr ? running_ : failed_;
  if (open == nullptr) return;
  // MPI may still write to this memory, until the process ends.
  static_cast<void>(exchange_.release());
  static_cast<void>(new Handle(open));
}

void AsyncCollectives::end_thread() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

AsyncCollectives::Handle AsyncCollectives::enqueue(CollectiveKind kind, Values mine, Values all,
                                                   const std::string& what, std::shared_ptr<const void> keep) {
  auto operation = std::make_shared<Operation>();
  operation->mine = mine;
  operation->all = all;
  if (world_.size() == 1) {
    if (kind == CollectiveKind::gather) {
      const auto from = bytes_of(mine);
      MSN_CHECK(bytes_of(all).size() == from.size());
      std::copy(from.begin(), from.end(), bytes_of(all).begin());
    }
    operation->done = true;
    return operation;
  }
  MSN_CHECK(exchange_ != nullptr);
  if (inject("collective-" + what, world_.rank())) {  // This rank leaves it out.
    operation->done = true;
    return operation;
  }
  operation->call = Call(next_++, kind, count_of(mine), scalar_of(mine), what);
  operation->keep = std::move(keep);
  operation->record = world_.recorder().issued(Channel::tensors, kind, what, bytes_of(mine).size());
  const std::lock_guard guard(mutex_);
  queue_.push_back(operation);
  return operation;
}

AsyncCollectives::Handle AsyncCollectives::start_sum(Values values, const std::string& what,
                                                     std::shared_ptr<const void> keep) {
  auto operation = enqueue(CollectiveKind::sum, values, {}, what, std::move(keep));
  work_.notify_one();
  return operation;
}

AsyncCollectives::Handle AsyncCollectives::start_gather(Values mine, Values all, const std::string& what,
                                                        std::shared_ptr<const void> keep) {
  auto operation = enqueue(CollectiveKind::gather, mine, all, what, std::move(keep));
  work_.notify_one();
  return operation;
}

void AsyncCollectives::sum(Values values, const std::string& what) {
  wait(enqueue(CollectiveKind::sum, values, {}, what, nullptr));
}

void AsyncCollectives::gather(Values mine, Values all, const std::string& what) {
  wait(enqueue(CollectiveKind::gather, mine, all, what, nullptr));
}

void AsyncCollectives::wait(const Handle& operation) {
  if (world_.size() == 1) return;
  const Clock::time_point began = Clock::now();
  std::unique_lock lock(mutex_);
  run_until(lock, [&] { return operation->done; });
  wait_seconds_ += seconds_since(began);
  if (operation->failure != nullptr) std::rethrow_exception(operation->failure);
}

/// Runs what has not begun, and waits for the thread to end what it has.
void AsyncCollectives::run_until(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done) {
  const Pause pause = pause_caller;
  while (!done()) {
    if (running_ == nullptr) {
      run_front(lock, pause);
    } else {
      hurry_ = true;
      work_.notify_one();
      finished_.wait(lock);
    }
  }
  hurry_ = false;
}

/// Runs the oldest one, without the lock while it runs. The queue is not empty and none is running.
void AsyncCollectives::run_front(std::unique_lock<std::mutex>& lock, const Pause& pause) {
  running_ = std::move(queue_.front());
  queue_.pop_front();
  const Handle operation = running_;
  std::exception_ptr failure = failure_;
  const Clock::time_point began = Clock::now();
  if (failure == nullptr) {
    lock.unlock();
    try {
      world_.recorder().started(operation->record);
      execute(*operation, pause);
      world_.recorder().finished(operation->record);
    } catch (const GivenUp&) {
      lock.lock();
      throw;
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
  }
  operation->seconds = seconds_since(began);
  operation->failure = failure_ = failure;
  operation->done = true;
  if (failure == nullptr) {
    operation->keep.reset();
  } else if (failed_ == nullptr) {
    failed_ = operation;
  }
  running_.reset();
  finished_.notify_all();
}

void AsyncCollectives::execute(Operation& operation, const Pause& pause) {
  if (operation.call.kind == CollectiveKind::gather) {
    exchange_->gather(operation.call, bytes_of(operation.mine), bytes_of(operation.all), pause);
  } else {
    std::visit([&](const auto& values) { exchange_->sum(operation.call, values, pause); }, operation.mine);
  }
}

void AsyncCollectives::work() {
  const Pause pause = [this](int looks) { pause_thread(looks); };
  std::unique_lock lock(mutex_);
  try {
    for (;;) {
      work_.wait(lock, [&] { return stop_ || (running_ == nullptr && !queue_.empty()); });
      if (stop_) return;
      run_front(lock, pause);
    }
  } catch (const GivenUp&) {
    // running_ says that it was in the middle of something.
  }
}

void AsyncCollectives::pause_thread(int looks) {
  std::unique_lock lock(mutex_);
  if (stop_) throw GivenUp();
  if (hurry_) {
    lock.unlock();
    pause_caller(looks);
    return;
  }
  const auto sleep = std::min(kGreatestSleep, kLeastSleep * (1 << std::min(looks, 10)));
  // A system-clock wait: not every thread sanitizer knows pthread_cond_clockwait.
  work_.wait_until(lock, std::chrono::system_clock::now() + sleep, [&] { return stop_ || hurry_; });
}

void AsyncCollectives::shutdown() {
  if (exchange_ == nullptr) return;
  std::unique_lock lock(mutex_);
  run_until(lock, [&] { return running_ == nullptr && queue_.empty(); });
  const std::exception_ptr failure = failure_;
  lock.unlock();
  if (failure != nullptr) std::rethrow_exception(failure);
  end_thread();
  exchange_->free();
  exchange_.reset();
}

double AsyncCollectives::seconds(const Handle& operation) {
  return operation->seconds;
}

}  // namespace msn
