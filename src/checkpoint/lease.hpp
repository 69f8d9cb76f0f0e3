// SPDX-License-Identifier: Apache-2.0
// One job a run folder. A job holds the folder by RUN/lease.json, which it renews while it lives; a job that was taken
// for gone and comes back (a node that was cut off, a job that was stopped) finds another's name there and writes no
// more. Needs nothing of the file system but rename and close-to-open consistency, so that NFS will do.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/files.hpp"
#include "checkpoint/lease_file.hpp"
#include "comm/world.hpp"

namespace msn {

/// The same for all jobs of a run folder.
struct LeaseTimes {
  using Duration = std::chrono::milliseconds;
  Duration renewal{3000};  ///< Between two renewals.
  Duration trust{5000};    ///< How long a holder relies on its last look at the file.
  Duration watch{20000};   ///< A lease that is not renewed for so long counts as left behind: several renewals.
  Duration settle{200};    ///< For another job that found the folder free at the same moment to show itself.

  /// From taking over until nobody else writes any more: whoever lost the lease has noticed, or has come to the end of
  /// what it began while it could still rely on its last look.
  Duration patience() const { return 2 * trust; }
};

/// The times above, or those of the environment variable MSN_TEST_LEASE="renewal:trust:watch" in seconds, which is for
/// tests only. Throws usage_error if it is malformed.
LeaseTimes lease_times();

/// A clock that nothing sets and that goes on while the machine sleeps.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

/// The lease, as the process holds it that has taken it. A thread renews it.
class Lease {
 public:
  /// `record` has become the run folder's lease, as a look that began at `seen` found; `file` is open for writing.
  Lease(std::filesystem::path run, LeaseRecord record, FileHandle file, BootClock::time_point seen,
        const LeaseTimes& times);
  /// Gives the folder back, if it is still this job's.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /// Throws data_error if another job has the run folder now, or if that cannot be told. Costs nothing if the lease was
  /// seen within LeaseTimes::trust, a look at the file otherwise. Any thread.
  void require();

  /// Whether require() would not throw. Any thread.
  bool holds();

  /// Whether another job is known to have the run folder. Looks as require() does. Any thread.
  bool lost();

  /// Of the lease, see LeaseRecord.
  std::uint64_t generation() const noexcept { return generation_; }

 private:
  void keep();
  void renew();
  void look();
  void write(bool held);

  const std::filesystem::path run_;
  const std::uint64_t generation_;
  const std::string nonce_;
  LeaseRecord record_;  ///< As written last. Of the thread; once it has ended, of the destructor.
  const FileHandle file_;
  const LeaseTimes times_;
  std::atomic<BootClock::time_point> seen_;  ///< Begin of the last look that found the lease to be this one.
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::string loss_;  ///< In words.
  std::thread thread_;
};

/// Takes the lease of a run folder, look by look, so that whoever waits for it can do something else in between.
class LeaseTaker {
 public:
  /// `run` is a folder.
  LeaseTaker(std::filesystem::path run, const LeaseTimes& times);

  /// One look, and what follows from it: the lease if it is this job's now, nothing if it is too early to tell: look
  /// again, ten times in LeaseTimes::watch or more often. Throws data_error if another job has the folder, with its
  /// name, or if the folder cannot be written to.
  ///
  /// A lease that was given back, or whose process has ended on this host, is taken at once. Any other is watched: one
  /// renewal shows that its holder lives; none within LeaseTimes::watch, that it does not, or is cut off. Then it is
  /// taken, and nothing is done with it for LeaseTimes::patience() more, after which the other one, if it is back by
  /// then, cannot but have noticed.
  std::unique_ptr<Lease> look();

  /// Looks until it has the lease or `limit` has passed.
  std::unique_ptr<Lease> look_for(LeaseTimes::Duration limit);

 private:
  bool may_take(const LeaseSight& sight, BootClock::time_point now);
  void take(const LeaseSight& sight);

  const std::filesystem::path run_;
  const LeaseTimes times_;
  std::optional<LeaseSight> watched_;  ///< A lease that is perhaps left behind,
  BootClock::time_point since_;        ///< since when,
  bool silent_ = false;                ///< and that it is.
  std::unique_ptr<Lease> taken_;
  BootClock::time_point usable_;  ///< From when on.
};

/// The lease as a job of several ranks has it: rank 0 holds it, the others ask nothing of it.
class RunLease {
 public:
  /// Takes the lease of `run`, a folder. All ranks call; throws an AgreedError as LeaseTaker::look() throws. While
  /// nothing is decided yet `wait` is called on all ranks about every second. Without `times`: lease_times().
  RunLease(const World& world, const std::filesystem::path& run, const std::function<void()>& wait,
           const std::optional<LeaseTimes>& times = std::nullopt);

  /// As of Lease; on other ranks than 0 they say that all is well.
  void require();
  bool holds();
  bool lost();

  /// Throws what require() throws on rank 0 as an AgreedError on all ranks. All ranks call.
  void agree(const World& world);

  /// The same on all ranks.
  std::uint64_t generation() const noexcept { return generation_; }

 private:
  std::unique_ptr<Lease> lease_;
  std::uint64_t generation_ = 0;
};

}  // namespace msn
