// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/background.hpp"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.hpp"

namespace msn {

struct BackgroundThread::State {
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::function<void()> job;  ///< Empty: idle.
  bool end = false;
  bool ended = false;

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return job || end; });
      if (!job) break;
      lock.unlock();
      job();
      lock.lock();
      job = nullptr;
      changed.notify_all();
    }
    ended = true;
    changed.notify_all();
  }
};

BackgroundThread::BackgroundThread(std::chrono::milliseconds patience)
    : patience_(patience), state_(std::make_shared<State>()) {
  try {
    std::thread([state = state_] { state->run(); }).detach();
  } catch (const std::system_error& error) {
    throw internal_error(std::string("cannot start a thread: ") + error.what());
  }
}

BackgroundThread::~BackgroundThread() {
  std::unique_lock lock(state_->mutex);
  state_->end = true;
  state_->changed.notify_all();
  // By the system clock: not every thread sanitizer knows waits by another.
  state_->changed.wait_until(lock, std::chrono::system_clock::now() + patience_, [&] { return state_->ended; });
}

void BackgroundThread::start(std::function<void()> job) {
  const std::lock_guard lock(state_->mutex);
  MSN_CHECK(!state_->job);
  state_->job = std::move(job);
  state_->changed.notify_all();
}

bool BackgroundThread::idle() const {
  const std::lock_guard lock(state_->mutex);
  return !state_->job;
}

void BackgroundThread::wait_until_idle() const {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->job; });
}

}  // namespace msn
