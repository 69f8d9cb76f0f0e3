// SPDX-License-Identifier: Apache-2.0
// main() of the tests that run on several ranks:
//   mpirun -n N PROGRAM --ranks=N [--watchdog=SECONDS] [--gtest_...]
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "support/mpi.hpp"

namespace msn::test {
namespace {

std::optional<World> the_world;

std::string name_of(const testing::TestInfo& info) {
  return std::string(info.test_suite_name()) + "." + info.name();
}

/// Ends the job when a test takes too long, which in a test of collectives means for ever.
class Watchdog {
 public:
  Watchdog(int rank, std::chrono::seconds limit) : rank_(rank), limit_(limit), thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard guard(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Starts the clock of a test, or stops it with an empty name.
  void start(std::string test) {
    {
      const std::lock_guard guard(mutex_);
      test_ = std::move(test);
      deadline_ = std::chrono::steady_clock::now() + limit_;
    }
    changed_.notify_one();
  }

 private:
  void watch() {
    std::unique_lock guard(mutex_);
    while (!ended_) {
      if (test_.empty()) {
        changed_.wait(guard);
      } else if (std::chrono::steady_clock::now() < deadline_) {
        // A system-clock wait: thread sanitizers know it, but not every one knows pthread_cond_clockwait.
        changed_.wait_until(guard, std::chrono::system_clock::now() + std::chrono::milliseconds(200));
      } else {
        std::fprintf(stderr, "watchdog: %s took more than %lld s on rank %d\n", test_.c_str(),
                     static_cast<long long>(limit_.count()), rank_);
        std::fflush(nullptr);
        World::abort(static_cast<int>(ExitCode::watchdog));
      }
    }
  }

  const int rank_;
  const std::chrono::seconds limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string test_;
  std::chrono::steady_clock::time_point deadline_;
  bool ended_ = false;
  std::thread thread_;  // Last: it uses all the others.
};

/// After every test all ranks agree on its outcome. Appended after the printer, so it hears the end of a test first.
class Agreement : public testing::EmptyTestEventListener {
 public:
  Agreement(const World& world, Watchdog& watchdog) : world_(world), watchdog_(watchdog) {}

  void OnTestStart(const testing::TestInfo& info) override { watchdog_.start(name_of(info)); }

  void OnTestPartResult(const testing::TestPartResult& result) override {
    // Rank 0 has the ordinary printer.
    if (world_.rank() == 0 || !result.failed()) return;
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", world_.rank(), result.file_name() ? result.file_name() : "?",
                 result.line_number(), result.message());
  }

  void OnTestEnd(const testing::TestInfo& info) override {
    const bool failed = info.result()->Failed();
    std::string ranks;
    const auto all = world_.gather(failed ? std::to_string(world_.rank()) + " " : "");
    for (const auto& rank : all)
      ranks += rank;
    watchdog_.start("");
    if (!ranks.empty() && (world_.rank() == 0 || !failed)) {
      ADD_FAILURE() << name_of(info) << " failed on ranks " << ranks << "of " << world_.size();
    }
  }

 private:
  const World& world_;
  Watchdog& watchdog_;
};

std::optional<int> option(std::string_view argument, std::string_view name) {
  if (!argument.starts_with(name)) return std::nullopt;
  return std::atoi(std::string(argument.substr(name.size())).c_str());
}

int run(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  the_world = World::init(&argc, &argv);
  World& world = *the_world;
  int ranks = 0, limit = 60;
  for (int i = 1; i < argc; ++i) {
    if (const auto value = option(argv[i], "--ranks=")) ranks = *value;
    if (const auto value = option(argv[i], "--watchdog=")) limit = *value;
  }
  if (ranks != world.size()) {
    if (world.rank() == 0) {
      std::fprintf(stderr, "the test was told --ranks=%d but runs on %d\n", ranks, world.size());
    }
    world.finalize();
    return static_cast<int>(ExitCode::usage);
  }
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) delete listeners.Release(listeners.default_result_printer());
  Watchdog watchdog(world.rank(), std::chrono::seconds(limit));
  listeners.Append(new Agreement(world, watchdog));
  bool failed = RUN_ALL_TESTS() != 0;
  if (!testing::GTEST_FLAG(list_tests) && testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    if (world.rank() == 0) std::fprintf(stderr, "no test was selected\n");
    failed = true;
  }
  failed = world.any(failed);
  world.finalize();
  return failed ? 1 : 0;
}

}  // namespace

World& world() {
  return the_world.value();
}

}  // namespace msn::test

int main(int argc, char** argv) {
  try {
    return msn::test::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    msn::World::abort(static_cast<int>(msn::ExitCode::internal));
  }
}
