// SPDX-License-Identifier: Apache-2.0
#include "train/device_wait.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "base/error.hpp"

namespace msn {
namespace {

using namespace std::chrono_literals;

/// Nothing but errors: those of a peer after some checks.
class FailingCommunicator : public Communicator {
 public:
  explicit FailingCommunicator(int good_checks) : good_checks_(good_checks) {}

  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::unique_ptr<Work> start_sum(const at::Tensor&, const std::string&) const override { return nullptr; }
  std::unique_ptr<Work> start_gather(const at::Tensor&, const at::Tensor&, const std::string&) const override {
    return nullptr;
  }
  void check() const override {
    if (++checks > good_checks_) throw internal_error("a peer is gone");
  }
  bool abort() const noexcept override {
    aborted = true;
    return true;
  }

  mutable int checks = 0;
  mutable bool aborted = false;

 private:
  const int good_checks_;
};

TEST(DeviceWait, ReturnsAtOnceInHostMemory) {
  const FailingCommunicator communicator(0);
  DeviceWait wait(communicator);
  DeviceEvent event(at::kCPU);
  wait.until(event);
  event.record();
  wait.until(event);
  EXPECT_EQ(communicator.checks, 0) << "nothing was waited for";
}

TEST(DeviceWait, LooksUntilItIsPastAndChecksMeanwhile) {
  const FailingCommunicator communicator(1 << 30);
  DeviceWait wait(communicator, 1ms);
  const auto begun = std::chrono::steady_clock::now();
  wait.until([&] { return std::chrono::steady_clock::now() - begun > 30ms; });
  EXPECT_GT(communicator.checks, 0);
  EXPECT_FALSE(communicator.aborted);
  EXPECT_GE(wait.seconds(), 0.03);
  wait.until([] { return true; });
}

TEST(DeviceWait, EndsWithTheErrorOfAPeerThatIsGone) {
  const FailingCommunicator communicator(3);
  DeviceWait wait(communicator, 1ms);
  EXPECT_THROW(wait.until([] { return false; }), Error);
  EXPECT_EQ(communicator.checks, 4);
  EXPECT_TRUE(communicator.aborted) << "or the device would wait for the peer for ever";
}

TEST(DeviceWait, EndsWithTheErrorOfTheDevice) {
  const FailingCommunicator communicator(1 << 30);
  DeviceWait wait(communicator);
  EXPECT_THROW(wait.until([]() -> bool { throw std::runtime_error("illegal address"); }), std::runtime_error);
  EXPECT_TRUE(communicator.aborted);
}

}  // namespace
}  // namespace msn
