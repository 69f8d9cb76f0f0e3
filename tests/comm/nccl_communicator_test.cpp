// SPDX-License-Identifier: Apache-2.0
// Needs a GPU for each rank, and fails where there is none.
#include "comm/nccl_communicator.hpp"

#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/devices.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

using namespace std::chrono_literals;
using test::world;

constexpr NcclLimits kLimits{60s, 60s, 10s};

at::TensorOptions on_device(at::ScalarType type) {
  return at::TensorOptions().device(at::kCUDA).dtype(type);
}

/// Connects for each test anew, so that one that breaks the connection spoils no other.
class Nccl : public testing::Test {
 protected:
  void SetUp() override {
    bind_gpu(world(), visible_gpus());  // Throws where there is none: the test fails.
    communicator.emplace(world(), kLimits);
  }
  void TearDown() override {
    if (communicator && !aborted) communicator->shutdown();
  }

  int rank() const { return world().rank(); }
  int size() const { return world().size(); }

  std::optional<NcclCommunicator> communicator;
  bool aborted = false;
};

TEST_F(Nccl, KnowsItsPlace) {
  EXPECT_EQ(communicator->rank(), rank());
  EXPECT_EQ(communicator->size(), size());
}

/// Every rank's values, added up on the host after a way by MPI.
at::Tensor sum_by_mpi(const at::Tensor& mine) {
  const std::string bytes(static_cast<const char*>(mine.const_data_ptr()), mine.nbytes());
  at::Tensor sum = at::zeros_like(mine);
  for (std::string& theirs : world().gather(bytes))
    sum.add_(at::from_blob(theirs.data(), mine.sizes(), mine.options()));
  return sum;
}

TEST_F(Nccl, AddsWhatMpiAdds) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const std::int64_t length : {1, 3, 1000, 1 << 20}) {
      // Whole numbers, so that every order of adding gives the same bits.
      const at::Tensor mine =
          at::arange(length, at::TensorOptions().dtype(type)).remainder(1000).add(static_cast<double>(rank() + 1));
      const at::Tensor expected = sum_by_mpi(mine), device = mine.to(at::kCUDA);
      communicator->sum(device, "numbers");
      EXPECT_TRUE(device.cpu().equal(expected)) << length;
    }
  }
}

TEST_F(Nccl, AddsBfloat16) {
  const at::Tensor values = at::full({1000}, rank() + 1, on_device(at::kBFloat16));
  communicator->sum(values, "bfloat16");
  EXPECT_TRUE(values.cpu().to(at::kDouble).equal(at::full({1000}, size() * (size() + 1) / 2.0, at::kDouble)));
}

TEST_F(Nccl, GathersInRankOrder) {
  const at::Tensor mine = at::full({2, 3}, 10.0 * rank(), on_device(at::kFloat));
  const at::Tensor all = communicator->gather(mine, "tens").cpu().view({size(), 6});
  for (int r = 0; r < size(); ++r)
    EXPECT_TRUE(all[r].equal(at::full({6}, 10.0 * r))) << r;
}

/// About a second of work for the current stream, so that what does not wait for it comes too early.
at::Tensor slow_work() {
  at::Tensor a = at::rand({4096, 4096}, on_device(at::kFloat)).mul_(1.0 / 4096);
  for (int i = 0; i < 100; ++i)
    a = at::mm(a, a).add_(1.0 / 4096);
  return a;
}

TEST_F(Nccl, WaitsForTheComputeStreamAndIsWaitedFor) {
  const at::Tensor values = at::zeros({1 << 20}, on_device(at::kFloat));
  const at::Tensor late = slow_work();
  // Written behind the slow work: a sum that did not wait would add zeros.
  values.add_(late.flatten().narrow(0, 0, 1).mul(0)).add_(static_cast<double>(rank() + 1));
  const auto begun = std::chrono::steady_clock::now();
  const auto work = communicator->start_sum(values, "late values");
  work->wait();
  values.mul_(2);  // Read behind the sum: without wait() it might be before.
  const auto host = std::chrono::steady_clock::now() - begun;
  EXPECT_TRUE(values.cpu().equal(at::full({1 << 20}, static_cast<float>(size() * (size() + 1)))));
  const auto device = std::chrono::steady_clock::now() - begun;
  EXPECT_LT(host, device / 2) << "the host waited for the device";
}

TEST_F(Nccl, RunsBesideTheComputeStreamOfWhoStartedIt) {
  const c10::cuda::CUDAStream other = c10::cuda::getStreamFromPool();
  at::Tensor values;
  std::unique_ptr<Work> work;
  {
    const c10::cuda::CUDAStreamGuard guard(other);
    values = at::full({1000}, 1.0, on_device(at::kFloat));
    work = communicator->start_sum(values, "on another stream");
  }
  work->wait();  // The default stream waits, not the one that began.
  EXPECT_TRUE(values.add(1).cpu().equal(at::full({1000}, size() + 1.0F)));
}

TEST_F(Nccl, KeepsTensorsAlive) {
  std::vector<std::unique_ptr<Work>> works;
  std::vector<at::Tensor> results;
  for (int i = 0; i < 50; ++i) {
    const at::Tensor mine = at::full({1 << 16}, static_cast<double>(i), on_device(at::kFloat));
    results.push_back(at::zeros({size(), 1 << 16}, on_device(at::kFloat)));
    works.push_back(communicator->start_gather(mine, results.back(), "dropped"));
  }  // `mine` is gone; the allocator would give its memory to the next.
  for (int i = 0; i < 50; ++i) {
    works[static_cast<std::size_t>(i)]->wait();
    EXPECT_TRUE(results[static_cast<std::size_t>(i)].eq(i).all().item<bool>()) << i;
  }
}

TEST_F(Nccl, RecordsWhatIsDone) {
  const at::Tensor values = at::zeros({10}, on_device(at::kFloat));
  const auto work = communicator->start_sum(values, "recorded");
  work->wait();
  communicator->drain(10s);
  const CollectiveRecord last = world().recorder().records().back();
  EXPECT_EQ(last.what, "recorded");
  EXPECT_EQ(last.bytes, 40U);
  EXPECT_GT(last.issued, 0);
  EXPECT_GE(last.started, last.issued);
  EXPECT_GE(last.finished, last.started);
}

TEST_F(Nccl, IsCapturedIntoAGraphAndRecordedAtEachReplay) {
  const at::Tensor values = at::zeros({1 << 16}, on_device(at::kFloat));
  communicator->sum(values, "connects the ranks");
  const c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool();
  at::cuda::CUDAGraph graph;
  const auto records = [] { return world().recorder().records().size(); };
  const std::size_t before = records();
  {
    const c10::cuda::CUDAStreamGuard guard(stream);
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    values.add_(static_cast<double>(rank() + 1));
    const auto work = communicator->start_sum(values, "captured");
    communicator->check();  // Asks no event.
    work->wait();
    values.mul_(2);
    graph.capture_end();
  }
  const CapturedCollectives captured = communicator->take_captured();
  ASSERT_EQ(captured.size(), 1U);
  EXPECT_EQ(captured[0].what, "captured");
  EXPECT_EQ(records(), before);
  double expected = 0;
  for (int replay = 0; replay < 3; ++replay) {
    const c10::cuda::CUDAStreamGuard guard(stream);
    graph.replay();
    communicator->replayed(captured);
    expected = 2 * (size() * expected + size() * (size() + 1) / 2.0);
  }
  communicator->drain(10s);
  EXPECT_EQ(records(), before + 3);
  EXPECT_EQ(world().recorder().records().back().what, "captured");
  EXPECT_GT(world().recorder().records().back().finished, 0);
  EXPECT_TRUE(values.cpu().eq(expected).all().item<bool>());
  EXPECT_NO_THROW(communicator->check_order());
  communicator->sum(values, "after the graph");
  graph.reset();  // Before the communicator, which would wait for it.
}

TEST_F(Nccl, RefusesWhatItCannotAdd) {
  EXPECT_THROW(communicator->start_sum(at::zeros({2}, at::kFloat), "on the host"), Error);
  EXPECT_THROW(communicator->start_sum(at::zeros({2}, on_device(at::kLong)), "whole numbers"), Error);
  EXPECT_THROW(communicator->start_sum(at::zeros({2, 3}, on_device(at::kFloat)).t(), "not contiguous"), Error);
}

TEST_F(Nccl, IsCheckedFromAnotherThread) {
  std::exception_ptr failure;
  std::thread watcher([&] {
    try {
      for (int i = 0; i < 200; ++i)
        communicator->check();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  const at::Tensor values = at::zeros({1 << 16}, on_device(at::kFloat));
  for (int i = 0; i < 200; ++i)
    communicator->sum(values, "watched");
  watcher.join();
  EXPECT_EQ(failure, nullptr);
}

TEST_F(Nccl, NamesARankThatCallsAnother) {
  if (size() == 1) return;
  const at::Tensor values = at::zeros({10}, on_device(at::kFloat));
  communicator->sum(values, rank() == 1 ? "second" : "first");
  std::string line;
  try {
    communicator->check_order();
  } catch (const AgreedError& error) {
    line = error.what();
  }
  EXPECT_NE(line.find("rank 1 called other collectives"), std::string::npos) << line;
}

TEST_F(Nccl, EndsAWaitForARankThatDoesNotCall) {
  if (size() == 1) return;
  const at::Tensor values = at::zeros({10}, on_device(at::kFloat));
  if (rank() == 0) {
    communicator->sum(values, "alone");
    const auto begun = std::chrono::steady_clock::now();
    try {
      communicator->drain(2s);
      ADD_FAILURE() << "the other ranks never called";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::watchdog);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
  }
  world().barrier();
  // From another thread, as a watchdog does; the kernel that waits is given up.
  bool let_go = false;
  std::thread([&] { let_go = communicator->abort(); }).join();
  EXPECT_TRUE(let_go);
  EXPECT_THROW(communicator->sum(values, "after the end"), Error);
  EXPECT_TRUE(communicator->abort());  // Again: nothing to do.
  aborted = true;
}

/// With MSN_TEST_INJECT=nccl-start:1:throw: rank 1 never comes to connect.
TEST(NcclStart, EndsForAllWhenOneDoesNotCome) {
  bind_gpu(world(), visible_gpus());
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_THROW(NcclCommunicator(world(), NcclLimits{5s, 5s, 10s}), AgreedError);
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took, 4s);
  EXPECT_LT(took, 40s);
}

}  // namespace
}  // namespace msn
