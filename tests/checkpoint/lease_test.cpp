// SPDX-License-Identifier: Apache-2.0
// One job a run folder: who gets the lease, who is refused, and that who has lost it knows.
#include "checkpoint/lease.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <barrier>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Where somebody lives he is given all the time that a loaded machine may need; where nobody does, none is lost.
constexpr LeaseTimes kPatient{20ms, 100ms, 60s, 20ms};
constexpr LeaseTimes kHasty{20ms, 100ms, 200ms, 20ms};

/// Of a process that nothing here can know of.
LeaseRecord record_elsewhere() {
  LeaseRecord record;
  record.generation = 7;
  record.nonce = "0123456789abcdef0123456789abcdef";
  record.job = "Slurm 4711";
  record.process = {"n07", "a boot", "pid:[1]", 123, 456};
  record.since = "2026-03-01T08:30:00Z";
  record.renewed = "2026-03-01T08:31:00.250Z";
  return record;
}

void put(const fs::path& run, const LeaseRecord& record) {
  write_durably(lease_file(run), lease_text(record));
}

LeaseRecord record_in(const fs::path& run) {
  return look_at_lease(run).record.value();
}

std::unique_ptr<Lease> take(const fs::path& run, const LeaseTimes& times) {
  return LeaseTaker(run, times).look_for(100s);
}

/// The error that `action` throws, as text; empty if it throws none.
std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    return error.what();
  }
  return "";
}

void expect_in(const std::string& part, const std::string& whole) {
  EXPECT_NE(whole.find(part), std::string::npos) << whole;
}

bool comes_true(const std::function<bool()>& condition) {
  for (int tries = 0; tries < 3000 && !condition(); ++tries)
    std::this_thread::sleep_for(20ms);
  return condition();
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(LeaseFile, ReadsBackAndKeepsItsLength) {
  LeaseRecord record = record_elsewhere();
  const std::string text = lease_text(record);
  EXPECT_EQ(parse_lease(text), record);
  record.held = false;
  record.renewed = "2027-12-31T23:59:59.999Z";
  EXPECT_EQ(parse_lease(lease_text(record)), record);
  EXPECT_EQ(lease_text(record).size(), text.size());
}

TEST(LeaseFile, BoundsWhatTheEnvironmentSays) {
  LeaseRecord record = record_elsewhere();
  record.job = std::string(100000, 'x') + "\xff";
  EXPECT_LT(lease_text(record).size(), 2000u);
  EXPECT_TRUE(parse_lease(lease_text(record)));
}

TEST(LeaseFile, RefusesWhatIsNoLease) {
  const std::string good = lease_text(record_elsewhere());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[]"), std::string("held"), good.substr(0, good.size() / 2),
        with("\"held\"", "\"hold\""), with("\"held\"", "1"), with("\"format_version\": 1", "\"format_version\": 2"),
        with("\"pid\": 123", "\"pid\": \"123\""), with("\"generation\": 7", "\"generation\": {}"),
        with("\"job\"", "\"host\""), std::string(3000, '['), std::string(3000, '\0')}) {
    EXPECT_FALSE(parse_lease(text)) << text;
  }
}

TEST(LeaseFile, IsDescribed) {
  const test::TempDir run;
  EXPECT_EQ(describe_lease(run.path()), std::nullopt);
  LeaseRecord record = record_elsewhere();
  put(run.path(), record);
  const std::string holder = "job Slurm 4711 on host n07 (process 123, generation 7, since 2026-03-01T08:30:00Z)";
  EXPECT_EQ(describe_lease(run.path())->find("held by " + holder + ", renewed 2026-03-01T08:31:00.250Z ("), 0u);
  record.held = false;
  put(run.path(), record);
  EXPECT_EQ(describe_lease(run.path())->find("free; given back by " + holder), 0u);
  record.held = true;
  record.job = "";
  record.process = this_process();
  ++record.process.started;
  put(run.path(), record);
  EXPECT_EQ(describe_lease(run.path())->find("free; left behind by a job on host "), 0u);
  std::ofstream(lease_file(run.path())) << "garbage";
  EXPECT_EQ(describe_lease(run.path())->find("damaged: "), 0u);
}

TEST(LeaseTimes, TestsMaySetThem) {
  ::unsetenv("MSN_TEST_LEASE");
  EXPECT_EQ(lease_times().watch, LeaseTimes{}.watch);
  ::setenv("MSN_TEST_LEASE", "0.5:1:2.25", 1);
  EXPECT_EQ(lease_times().renewal, 500ms);
  EXPECT_EQ(lease_times().trust, 1s);
  EXPECT_EQ(lease_times().watch, 2250ms);
  for (const char* wrong : {"", "1", "1:2", "1:2:", "1:2:3:4", "1:2:x", "0:1:2", "-1:1:2", "1:nan:2", "1:1:1e300"}) {
    ::setenv("MSN_TEST_LEASE", wrong, 1);
    EXPECT_THROW(lease_times(), Error) << wrong;
  }
  ::unsetenv("MSN_TEST_LEASE");
}

TEST(Lease, IsTakenGivenBackAndTakenAgain) {
  const test::TempDir run;
  for (std::uint64_t generation = 1; generation <= 3; ++generation) {
    LeaseTaker taker(run.path(), kPatient);
    const auto lease = taker.look();
    ASSERT_TRUE(lease) << "there was nothing to wait for";
    EXPECT_EQ(lease->generation(), generation);
    lease->require();
    EXPECT_FALSE(lease->lost());
    EXPECT_TRUE(record_in(run.path()).held);
    EXPECT_EQ(record_in(run.path()).process, this_process());
    EXPECT_EQ(record_in(run.path()).generation, generation);
    EXPECT_EQ(files_in(run.path()), 1u);
  }
  EXPECT_FALSE(record_in(run.path()).held);
}

TEST(Lease, IsRenewed) {
  const test::TempDir run;
  const auto lease = take(run.path(), kPatient);
  const std::string first = record_in(run.path()).renewed;
  EXPECT_TRUE(comes_true([&] { return record_in(run.path()).renewed != first; }));
  lease->require();
}

TEST(Lease, ASecondJobIsRefusedAtTheFirstRenewal) {
  const test::TempDir run;
  const auto lease = take(run.path(), kPatient);
  const std::string error = error_of([&] { take(run.path(), kPatient); });
  expect_in("another job trains in this run folder: a job on host " + this_process().host + " (process " +
                std::to_string(::getpid()) + ", generation 1, since 2",
            error);
  expect_in(run.path().string(), error);
  lease->require();
  EXPECT_EQ(files_in(run.path()), 1u);
}

TEST(Lease, OfAProcessThatHasEndedIsTakenAtOnce) {
  const test::TempDir run;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lease = take(run.path(), kPatient);
    ::_exit(lease ? 0 : 1);  // As if it were killed: nothing is given back.
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(record_in(run.path()).held);
  const auto lease = LeaseTaker(run.path(), kPatient).look();
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->generation(), 2u);
}

TEST(Lease, OfAProcessWhoseNumberIsAnothersNowIsTakenAtOnce) {
  const test::TempDir run;
  LeaseRecord record = record_elsewhere();
  record.process = this_process();
  --record.process.started;
  put(run.path(), record);
  EXPECT_TRUE(LeaseTaker(run.path(), kPatient).look());
}

TEST(Lease, ThatIsNotRenewedIsTakenAfterTheWatch) {
  const test::TempDir run;
  LeaseRecord record = record_elsewhere();
  put(run.path(), record);
  const BootClock::time_point begin = BootClock::now();
  const auto lease = take(run.path(), kHasty);
  EXPECT_GE(BootClock::now() - begin, kHasty.watch + kHasty.patience())
      << "whoever holds it must have had time to notice";
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->generation(), 8u);
  EXPECT_NE(record_in(run.path()).nonce, record.nonce);
}

TEST(Lease, ThatIsRenewedDuringTheWatchStays) {
  const test::TempDir run;
  LeaseRecord record = record_elsewhere();
  put(run.path(), record);
  LeaseTaker taker(run.path(), kPatient);
  EXPECT_FALSE(taker.look());
  EXPECT_FALSE(taker.look());
  record.renewed = "2026-03-01T08:31:03.250Z";
  put(run.path(), record);
  expect_in("another job trains in this run folder: job Slurm 4711 on host n07 ", error_of([&] { taker.look(); }));
  EXPECT_EQ(record_in(run.path()), record);
}

TEST(Lease, ThatIsGivenBackDuringTheWatchIsTaken) {
  const test::TempDir run;
  LeaseRecord record = record_elsewhere();
  put(run.path(), record);
  LeaseTaker taker(run.path(), kPatient);
  EXPECT_FALSE(taker.look());
  record.held = false;
  put(run.path(), record);
  EXPECT_TRUE(taker.look());
}

TEST(Lease, WhoWasHeldUpWhileTakingItWaitsForWhomItMayHaveReplaced) {
  const test::TempDir run;
  LeaseRecord record = record_elsewhere();
  record.held = false;
  put(run.path(), record);
  LeaseTimes times = kHasty;
  times.settle = 0ms;  // Nobody is as quick.
  LeaseTaker taker(run.path(), times);
  const BootClock::time_point begin = BootClock::now();
  EXPECT_FALSE(taker.look());
  EXPECT_TRUE(taker.look_for(100s));
  EXPECT_GE(BootClock::now() - begin, times.patience());
}

TEST(Lease, ItsLossIsSeenByItself) {
  const test::TempDir run;
  const auto lease = take(run.path(), kPatient);
  put(run.path(), record_elsewhere());
  EXPECT_TRUE(comes_true([&] { return lease->lost(); }));
  expect_in("another job has taken over the run folder: job Slurm 4711 on host n07 (process 123, generation 7, ",
            error_of([&] { lease->require(); }));
}

TEST(Lease, WhoHasLostItLeavesTheOthersAlone) {
  const test::TempDir run;
  const LeaseRecord record = record_elsewhere();
  {
    const auto unaware = take(run.path(), {1h, 1h, 60s, 20ms});
    put(run.path(), record);
    unaware->require();  // Within the time of trust.
  }
  EXPECT_EQ(record_in(run.path()), record);
}

TEST(Lease, RequireLooksItselfOnceTheTimeOfTrustIsOver) {
  const test::TempDir run;
  const auto lease = take(run.path(), {1h, 0ms, 60s, 20ms});
  lease->require();
  put(run.path(), record_elsewhere());
  expect_in("another job has taken over", error_of([&] { lease->require(); }));
  EXPECT_TRUE(lease->lost());
  EXPECT_FALSE(lease->holds());
  expect_in("this job, generation 1, writes no more here", error_of([&] { lease->require(); }));
}

TEST(Lease, WhoRemovesOrSpoilsTheFileTakesTheFolderFromItsJob) {
  const test::TempDir run;
  {
    const auto lease = take(run.path(), {1h, 0ms, 60s, 20ms});
    fs::remove(lease_file(run.path()));
    expect_in("lease.json is gone", error_of([&] { lease->require(); }));
  }
  EXPECT_FALSE(fs::exists(lease_file(run.path())));
  const auto lease = take(run.path(), {1h, 0ms, 60s, 20ms});
  std::ofstream(lease_file(run.path())) << "garbage";
  expect_in("lease.json is no longer this job's", error_of([&] { lease->require(); }));
}

TEST(Lease, IsNotTakenForGrantedWhereItCannotBeSeen) {
  const test::TempDir run;
  const auto lease = take(run.path(), {1h, 0ms, 60s, 20ms});
  const fs::path file = lease_file(run.path());
  fs::remove(file);
  fs::create_symlink(file, file);
  expect_in("no longer this job's", error_of([&] { lease->require(); }));
}

TEST(Lease, OfSeveralWhoTakeItAtOnceOneHoldsIt) {
  constexpr int takers = 8;
  enum class Before { nothing, given_back, ended };
  for (const Before before : {Before::nothing, Before::given_back, Before::ended}) {
    for (int round = 0; round < 3; ++round) {
      const test::TempDir run;
      LeaseRecord record = record_elsewhere();
      record.held = before != Before::given_back;
      record.process = this_process();
      --record.process.started;
      if (before != Before::nothing) put(run.path(), record);
      std::barrier start(takers);
      std::vector<std::unique_ptr<Lease>> leases(takers);
      std::vector<std::thread> threads;
      for (auto& lease : leases) {
        threads.emplace_back([&] {
          start.arrive_and_wait();
          try {
            lease = take(run.path(), kPatient);
          } catch (const Error& error) {
            EXPECT_EQ(error.code(), ExitCode::data);
          }
        });
      }
      for (std::thread& thread : threads)
        thread.join();
      std::this_thread::sleep_for(kPatient.patience());
      int holders = 0;
      for (const auto& lease : leases)
        holders += lease && error_of([&] { lease->require(); }).empty() ? 1 : 0;
      EXPECT_EQ(holders, 1);
      EXPECT_EQ(files_in(run.path()), 1u);
    }
  }
}

TEST(DamagedLease, IsWatchedAndReplaced) {
  const test::TempDir elsewhere;
  const fs::path target = elsewhere / "target";
  std::ofstream(target) << "mine";
  const std::vector<std::function<void(const fs::path&)>> damages = {
      [](const fs::path& file) { std::ofstream{file}; },
      [](const fs::path& file) { std::ofstream(file) << "garbage"; },
      [](const fs::path& file) { std::ofstream(file) << std::string(10'000'000, '['); },
      [&](const fs::path& file) { fs::create_symlink(target, file); },
      [](const fs::path& file) { fs::create_symlink("nowhere", file); },
      [](const fs::path& file) { ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0); }};
  for (std::size_t i = 0; i < damages.size(); ++i) {
    SCOPED_TRACE(i);
    const test::TempDir run;
    damages[i](lease_file(run.path()));
    LeaseTaker taker(run.path(), kHasty);
    EXPECT_FALSE(taker.look());
    const auto lease = taker.look_for(100s);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->generation(), 1u);
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(lease_file(run.path()))));
  }
  EXPECT_EQ(read_text(target), "mine");
}

TEST(DamagedLease, AFolderInItsPlaceIsNamed) {
  const test::TempDir run;
  fs::create_directory(lease_file(run.path()));
  expect_in(lease_file(run.path()).string(), error_of([&] { take(run.path(), kHasty); }));
  EXPECT_EQ(files_in(run.path()), 1u);
}

TEST(DamagedLease, AFolderThatCannotBeWrittenToIsNamed) {
  const test::TempDir run;
  expect_in("cannot write to the run folder", error_of([&] { take(run / "absent", kHasty); }));
}

TEST(Lease, ClearsAwayWhatKilledTakersLeft) {
  const test::TempDir run;
  std::ofstream(run / ".lease-0123") << "half";
  EXPECT_TRUE(take(run.path(), kPatient));
  EXPECT_EQ(files_in(run.path()), 1u);
}

TEST(RunLease, WaitsInRoundsForWhatIsNotDecided) {
  const test::TempDir run;
  put(run.path(), record_elsewhere());
  int rounds = 0;
  LeaseTimes times = kHasty;
  times.watch = 1500ms;
  RunLease lease(
      World::alone(), run.path(), [&] { ++rounds; }, times);
  EXPECT_EQ(files_in(run.path()), 1u);
  EXPECT_GE(rounds, 1);
  EXPECT_EQ(lease.generation(), 8u);
  EXPECT_FALSE(lease.lost());
  lease.require();
  lease.agree(World::alone());
}

TEST(RunLease, TellsAllRanksThatItIsLost) {
  const test::TempDir run;
  RunLease lease(
      World::alone(), run.path(), [] {}, LeaseTimes{1h, 0ms, 60s, 20ms});
  put(run.path(), record_elsewhere());
  EXPECT_THROW(lease.agree(World::alone()), AgreedError);
  EXPECT_TRUE(lease.lost());
}

}  // namespace
}  // namespace msn
