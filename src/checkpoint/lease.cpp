// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/lease.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/utc.hpp"
#include "comm/job.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kBeside = ".lease-";

std::string draw_nonce() {
  std::random_device device;
  std::string nonce;
  for (int word = 0; word < 4; ++word) {
    char text[16];
    std::snprintf(text, sizeof text, "%08x", device());
    nonce += text;
  }
  return nonce;
}

std::string now_text() {
  return utc_text_milliseconds(std::chrono::system_clock::now());
}

Error held_by(const fs::path& run, const LeaseSight& sight) {
  const std::string holder = sight.record ? holder_text(*sight.record) : "one whose lease.json cannot be read";
  return data_error("another job trains in this run folder: " + holder, run.string(),
                    "wait until it has ended, or end it, and run again; a run of its own needs another --run");
}

/// A file that is gone when the scope ends, whatever it is called by then.
struct Temporary {
  fs::path path;
  explicit Temporary(fs::path name) : path(std::move(name)) {}
  ~Temporary() { ::unlink(path.c_str()); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
};

enum class Placed { no, as_the_first, over_another };

/// Makes `beside` the lease if it is still what `sight` has seen.
Placed put_in_place(const fs::path& beside, const fs::path& run, const LeaseSight& sight) {
  const fs::path file = lease_file(run);
  if (look_at_lease(run) != sight) return Placed::no;
  if (!sight.is_there) {
    // A link, unlike a rename, never replaces what another job has put there meanwhile.
    if (::link(beside.c_str(), file.c_str()) == 0) return Placed::as_the_first;
    if (errno == EEXIST) return Placed::no;
  }
  if (::rename(beside.c_str(), file.c_str()) == 0) return Placed::over_another;
  if (errno == ENOENT) return Placed::no;  // Another job has it, and has cleared away what others left.
  throw system_error("cannot replace the run folder's lease", file.string(), errno, "move it away and run again");
}

/// What jobs left that were killed while they took the lease.
void remove_leftovers(const fs::path& run) {
  std::error_code ignored;
  for (fs::directory_iterator entry(run, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    if (entry->path().filename().string().starts_with(kBeside)) ::unlink(entry->path().c_str());
  }
}

LeaseTimes::Duration seconds_of(std::string_view text) {
  double seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !(seconds > 0) || seconds > 1e6) {
    throw usage_error("not times of a lease", "MSN_TEST_LEASE", "write RENEWAL:TRUST:WATCH in seconds, or unset it");
  }
  return std::chrono::ceil<LeaseTimes::Duration>(std::chrono::duration<double>(seconds));
}

FileHandle write_beside(const fs::path& beside, const LeaseRecord& record) {
  try {
    FileHandle file(beside, O_WRONLY | O_CREAT | O_EXCL);
    const std::string text = lease_text(record);
    file.write_at(std::as_bytes(std::span(text)), 0);
    file.sync();
    return file;
  } catch (const Error& error) {
    throw data_error("cannot write to the run folder: " + error.problem(), error.where(),
                     "give a --run that you may write to, or change its permissions");
  }
}

}  // namespace

LeaseTimes lease_times() {
  LeaseTimes times;
  const char* variable = std::getenv("MSN_TEST_LEASE");
  if (variable == nullptr) return times;
  std::string_view rest(variable);
  for (LeaseTimes::Duration* time : {&times.renewal, &times.trust, &times.watch}) {
    const bool is_last = time == &times.watch;
    const auto end = is_last ? rest.size() : std::min(rest.find(':'), rest.size());
    *time = seconds_of(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return times;
}

BootClock::time_point BootClock::now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return time_point(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

Lease::Lease(fs::path run, LeaseRecord record, FileHandle file, BootClock::time_point seen, const LeaseTimes& times)
    : run_(std::move(run)),
      generation_(record.generation),
      nonce_(record.nonce),
      record_(std::move(record)),
      file_(std::move(file)),
      times_(times),
      seen_(seen),
      thread_([this] { keep(); }) {}

Lease::~Lease() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
  try {
    if (!lost_) look();
    if (!lost_) write(false);
  } catch (const Error& error) {
    log::warn(std::string("the run folder could not be given back: ") + error.what());
  }
}

void Lease::require() {
  if (!lost_ && BootClock::now() - seen_.load() < times_.trust) return;
  try {
    if (!lost_) look();
  } catch (const Error& error) {
    throw data_error("it cannot be told whether this job still has the run folder: " + error.problem(), error.where(),
                     error.remedy());
  }
  if (!lost_) return;
  const std::lock_guard lock(mutex_);
  throw data_error(loss_, run_.string(),
                   "this job, generation " + std::to_string(generation_) +
                       ", writes no more here: leave the folder to the other one, or end that and run again");
}

bool Lease::holds() {
  try {
    require();
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool Lease::lost() {
  return !holds() && lost_;
}

/// The thread.
void Lease::keep() {
  bool warned = false;
  std::unique_lock lock(mutex_);
  while (!lost_ && !wake_.wait_for(lock, times_.renewal, [this] { return ending_; })) {
    lock.unlock();
    try {
      renew();
    } catch (const std::exception& error) {
      if (!std::exchange(warned, true)) log::warn(std::string("cannot renew the run folder's lease: ") + error.what());
    }
    lock.lock();
  }
}

void Lease::renew() {
  look();
  if (!lost_) write(true);
}

void Lease::look() {
  const BootClock::time_point begin = BootClock::now();
  const LeaseSight sight = look_at_lease(run_);
  if (sight.record && sight.record->nonce == nonce_) {
    seen_ = begin;
    return;
  }
  const std::lock_guard lock(mutex_);
  if (lost_) return;
  loss_ = sight.record     ? "another job has taken over the run folder: " + holder_text(*sight.record)
          : sight.is_there ? "the run folder's lease.json is no longer this job's"
                           : "the run folder's lease.json is gone, and with it this job's right to write here";
  lost_ = true;
  log::leave_files();
}

/// Into the file that this job made, whether it has still that name or not: never into another's.
void Lease::write(bool held) {
  record_.held = held;
  record_.renewed = now_text();
  const std::string text = lease_text(record_);
  file_.write_at(std::as_bytes(std::span(text)), 0);
  // Other hosts see it then. Less than fsync, which may wait for all that a checkpoint has written.
  if (::fdatasync(file_.get()) != 0) throw system_error("cannot make durable", file_.path().string(), errno);
}

LeaseTaker::LeaseTaker(fs::path run, const LeaseTimes& times) : run_(std::move(run)), times_(times) {}

std::unique_ptr<Lease> LeaseTaker::look() {
  if (!taken_) {
    const BootClock::time_point now = BootClock::now();
    const LeaseSight sight = look_at_lease(run_);
    if (may_take(sight, now)) take(sight);
  }
  if (!taken_) return nullptr;
  taken_->require();
  return BootClock::now() >= usable_ ? std::move(taken_) : nullptr;
}

std::unique_ptr<Lease> LeaseTaker::look_for(LeaseTimes::Duration limit) {
  const BootClock::time_point end = BootClock::now() + limit;
  const auto pause = std::min(times_.watch / 20, LeaseTimes::Duration(200));
  for (;;) {
    if (auto lease = look()) return lease;
    if (BootClock::now() + pause > end) return nullptr;
    std::this_thread::sleep_for(pause);
  }
}

bool LeaseTaker::may_take(const LeaseSight& sight, BootClock::time_point now) {
  if (!sight.is_there) return true;
  if (sight.record && (!sight.record->held || has_ended(sight.record->process))) return true;
  const std::string holder = sight.record ? holder_text(*sight.record) : "one whose lease.json cannot be read";
  if (!watched_) {
    watched_ = sight;
    since_ = BootClock::now();
    log::info("the run folder is held by " + holder + ": waiting for a sign of it");
    return false;
  }
  if (sight != *watched_) throw held_by(run_, sight);
  silent_ = now - since_ >= times_.watch;
  if (silent_) log::warn("taking over the run folder from " + holder + ", which gives no sign");
  return silent_;
}

void LeaseTaker::take(const LeaseSight& sight) {
  LeaseRecord mine;
  mine.generation = sight.record ? sight.record->generation + 1 : 1;
  mine.nonce = draw_nonce();
  if (const auto job = job_of_environment()) mine.job = job->scheduler + " " + one_line(job->id);
  mine.process = this_process();
  mine.since = utc_text(std::chrono::system_clock::now());
  mine.renewed = now_text();
  const Temporary beside(run_ / (std::string(kBeside) + mine.nonce));
  FileHandle file = write_beside(beside.path, mine);

  const BootClock::time_point begin = BootClock::now();
  const Placed placed = put_in_place(beside.path, run_, sight);
  if (placed == Placed::no) return;
  // Another job that saw the same and is as quick shows itself within this time. One that is not waits, as this one
  // does, until whomever it has replaced must have noticed.
  const bool quick = BootClock::now() - begin <= times_.settle;
  sync_path(run_);
  if (placed == Placed::over_another) std::this_thread::sleep_for(times_.settle);
  const BootClock::time_point seen = BootClock::now();
  const LeaseSight now = look_at_lease(run_);
  if (!now.record || now.record->nonce != mine.nonce) throw held_by(run_, now);
  remove_leftovers(run_);
  usable_ = BootClock::now();
  if (silent_ || (placed == Placed::over_another && !quick)) usable_ += times_.patience();
  taken_ = std::make_unique<Lease>(run_, std::move(mine), std::move(file), seen, times_);
}

RunLease::RunLease(const World& world, const fs::path& run, const std::function<void()>& wait,
                   const std::optional<LeaseTimes>& times) {
  std::optional<LeaseTaker> taker;
  for (;;) {
    const std::string generation = world.on_root([&] {
      if (!taker) taker.emplace(run, times ? *times : lease_times());
      lease_ = taker->look_for(std::chrono::seconds(1));
      return lease_ ? std::to_string(lease_->generation()) : std::string();
    });
    if (!generation.empty()) {
      generation_ = std::stoull(generation);
      return;
    }
    wait();
  }
}

void RunLease::require() {
  if (lease_) lease_->require();
}

bool RunLease::holds() {
  return !lease_ || lease_->holds();
}

bool RunLease::lost() {
  return lease_ && lease_->lost();
}

void RunLease::agree(const World& world) {
  world.on_root([&] {
    require();
    return std::string();
  });
}

}  // namespace msn
