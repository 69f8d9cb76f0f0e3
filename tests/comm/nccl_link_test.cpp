// SPDX-License-Identifier: Apache-2.0
// What NcclLink does when NCCL is late, fails or hangs. NCCL is played by the functions below, so that no GPU is
// needed.
#include "comm/nccl_link.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.hpp"

namespace {

/// What the played NCCL answers, and what was called.
struct Script {
  std::atomic<int> in_progress{0};  ///< So many questions after the state are answered with "in progress"; -1: all.
  std::atomic<ncclResult_t> state{ncclSuccess};  ///< And then with this.
  ncclResult_t init = ncclInProgress;
  int version = NCCL_VERSION_CODE;
  std::atomic<bool> hangs{false};  ///< The calls that let go do not return until it is false.
  std::atomic<int> inits{0}, questions{0}, finalizes{0}, destroys{0}, aborts{0};
};

Script* script = nullptr;

void let_go() {
  while (script->hangs)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

extern "C" {
ncclResult_t ncclGetVersion(int* version) {
  *version = script->version;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "a peer is lost" : "an error";
}
const char* ncclGetLastError(ncclComm_t /*comm*/) {
  return "details";
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId /*id*/, int rank, ncclConfig_t* config) {
  EXPECT_EQ(size, 4);
  EXPECT_EQ(rank, 1);
  EXPECT_EQ(config->blocking, 0);
  *comm = reinterpret_cast<ncclComm_t>(script);
  ++script->inits;
  return script->init;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  EXPECT_EQ(comm, reinterpret_cast<ncclComm_t>(script));
  ++script->questions;
  *state = script->state;
  if (script->in_progress != 0) {
    *state = ncclInProgress;
    if (script->in_progress > 0) --script->in_progress;
  }
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t /*comm*/) {
  ++script->finalizes;
  return ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t /*comm*/) {
  let_go();
  ++script->destroys;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t /*comm*/) {
  let_go();
  ++script->aborts;
  return ncclSuccess;
}
}

namespace msn {
namespace {

using namespace std::chrono_literals;

class Link : public testing::Test {
 protected:
  Link() { script = &played; }
  ~Link() override {
    played.hangs = false;  // Threads that were given up end before the script does.
    while (played.aborts + played.destroys < letting_go)
      std::this_thread::sleep_for(1ms);
    script = nullptr;
  }

  static std::unique_ptr<NcclLink> connect(NcclLink::Duration limit = 10s) {
    return std::make_unique<NcclLink>(ncclUniqueId{}, 1, 4, limit);
  }
  /// The error that `call` throws.
  template <class Call>
  static Error error_of(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    return {ExitCode::done, "nothing was thrown"};
  }

  Script played;
  int letting_go = 0;  ///< Calls that hang at the end of the test.
};

TEST_F(Link, WaitsUntilAllAreConnected) {
  played.in_progress = 500;
  const auto link = connect();
  EXPECT_EQ(played.inits, 1);
  EXPECT_EQ(played.in_progress, 0);
  EXPECT_EQ(played.aborts, 0);
}

TEST_F(Link, GivesUpConnectingAfterTheLimit) {
  played.in_progress = -1;
  const auto begun = std::chrono::steady_clock::now();
  const Error error = error_of([] { connect(100ms); });
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 100ms);
  EXPECT_EQ(error.code(), ExitCode::watchdog);
  EXPECT_NE(error.problem().find("to connect 4 ranks"), std::string::npos);
  EXPECT_EQ(played.aborts, 1);
}

TEST_F(Link, SaysWhyItCannotConnect) {
  played.state = ncclRemoteError;
  const Error late = error_of([] { connect(); });
  EXPECT_EQ(late.code(), ExitCode::internal);
  EXPECT_NE(late.problem().find("a peer is lost; details"), std::string::npos) << late.what();
  EXPECT_EQ(played.aborts, 1);
  played.init = ncclInvalidUsage;
  EXPECT_EQ(error_of([] { connect(); }).code(), ExitCode::internal);
  EXPECT_EQ(played.aborts, 2);
}

TEST_F(Link, WaitsUntilACollectiveIsIssued) {
  const auto link = connect();
  int calls = 0;
  link->issue(
      [&](ncclComm_t comm) {
        EXPECT_EQ(comm, reinterpret_cast<ncclComm_t>(script));
        ++calls;
        played.in_progress = 500;
        return ncclInProgress;
      },
      "a sum", 10s);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(played.in_progress, 0);
}

TEST_F(Link, NamesTheCollectiveThatIsLateOrFails) {
  const auto link = connect();
  const auto refused = [](ncclComm_t) { return ncclInvalidArgument; };
  EXPECT_NE(std::string(error_of([&] { link->issue(refused, "bucket 3", 10s); }).what()).find("bucket 3"),
            std::string::npos);
  const auto late = [&](ncclComm_t) {
    played.in_progress = -1;
    return ncclInProgress;
  };
  const Error error = error_of([&] { link->issue(late, "bucket 4", 50ms); });
  EXPECT_EQ(error.code(), ExitCode::watchdog);
  EXPECT_NE(error.problem().find("bucket 4"), std::string::npos);
}

TEST_F(Link, TellsAnotherThreadOfErrors) {
  const auto link = connect();
  EXPECT_NO_THROW(link->check());
  played.state = ncclRemoteError;
  Error error{ExitCode::done, ""};
  std::thread([&] { error = error_of([&] { link->check(); }); }).join();
  EXPECT_EQ(error.code(), ExitCode::internal);
}

TEST_F(Link, EndsInOrder) {
  const auto link = connect();
  link->finish(10s);
  EXPECT_EQ(played.finalizes, 1);
  EXPECT_EQ(played.destroys, 1);
  EXPECT_NO_THROW(link->check());  // There is nothing left to fail.
  EXPECT_TRUE(link->abort(10s));
  EXPECT_EQ(played.aborts, 0);
}

TEST_F(Link, DoesNotWaitForAnEndThatHangs) {
  const auto link = connect();
  played.hangs = true;
  letting_go = 1;
  EXPECT_EQ(error_of([&] { link->finish(50ms); }).code(), ExitCode::watchdog);
}

TEST_F(Link, AbortsFromAnotherThreadOnce) {
  const auto link = connect();
  bool let_go = false;
  std::thread([&] { let_go = link->abort(10s); }).join();
  EXPECT_TRUE(let_go);
  EXPECT_TRUE(link->abort(10s));
  EXPECT_EQ(played.aborts, 1);
  const int questions = played.questions;
  const auto never = [](ncclComm_t) {
    ADD_FAILURE() << "NCCL was called after its end";
    return ncclSuccess;
  };
  EXPECT_EQ(error_of([&] { link->issue(never, "a sum", 10s); }).code(), ExitCode::internal);
  EXPECT_EQ(played.questions, questions);
}

TEST_F(Link, AbortsWhileAnotherThreadWaits) {
  const auto link = connect();
  played.in_progress = -1;
  Error error{ExitCode::done, ""};
  std::thread waiting(
      [&] { error = error_of([&] { link->issue([](ncclComm_t) { return ncclInProgress; }, "a sum", 60s); }); });
  while (played.questions < 10)
    std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(link->abort(10s));
  waiting.join();
  EXPECT_EQ(error.code(), ExitCode::internal);
}

TEST_F(Link, SaysThatAnAbortHangs) {
  const auto link = connect();
  played.hangs = true;
  letting_go = 1;
  EXPECT_FALSE(link->abort(50ms));
}

TEST_F(Link, LeavesNcclAloneWhenItGoes) {
  connect().reset();
  EXPECT_EQ(played.finalizes + played.destroys + played.aborts, 0);
}

TEST_F(Link, RefusesAnNcclThatIsTooOld) {
  EXPECT_NO_THROW(check_nccl_library());
  played.version = NCCL_VERSION_CODE + 100;
  EXPECT_NO_THROW(check_nccl_library());
  for (const int version : {NCCL_VERSION_CODE - 1, 21803, 30000}) {
    played.version = version;
    EXPECT_EQ(error_of(check_nccl_library).code(), ExitCode::usage) << version;
  }
}

}  // namespace
}  // namespace msn
