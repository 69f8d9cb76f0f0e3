// SPDX-License-Identifier: Apache-2.0
// One decision for all that computes: 2 threads on one rank, 1 on each of two.
#include "train/threads.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <omp.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "comm/cores.hpp"
#include "comm/process_facts.hpp"
#include "kernels/adamw.hpp"
#include "kernels/reduce.hpp"
#include "model/gemm.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

int compute_threads() {
  return world().size() == 1 ? 2 : 1;
}

/// Everything of a step that has a pool: LibTorch's operators, products of every type, our kernels.
void compute() {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor a = at::ones({256, 256}, type);
    at::Tensor out = at::ones({256, 256}, type);
    add_product(out, a, product(a, a));
    out.add_(a).sum();
  }
  std::vector<float> values(1 << 18, 1.0F), first(values), second(values), target(values);
  kernels::adamw_ema<float>(values, values, first, second, target, {{0, 1 << 18, true, 1, true}}, {});
  EXPECT_GT(kernels::sum_of_squares<float>(values), 0);
}

TEST(Threads, AreDecidedOnceForAllThatComputes) {
  ASSERT_EQ(set_up_threads(world(), compute_threads()), compute_threads());
  ASSERT_EQ(set_up_threads(world(), compute_threads()), compute_threads()) << "may be called again";
  EXPECT_EQ(at::get_num_threads(), compute_threads());
  EXPECT_EQ(at::get_num_interop_threads(), 1);
  EXPECT_EQ(omp_get_max_threads(), compute_threads());
  std::mutex mutex;
  std::set<std::thread::id> seen;
  for_each_on_compute_threads(64, [&](std::size_t) {
    const std::lock_guard guard(mutex);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(compute_threads()));
}

TEST(Threads, OfAllPartsComeFromOnePool) {
  set_up_threads(world(), compute_threads());
  for_each_on_compute_threads(64, [](std::size_t) {});
  const std::size_t before = threads_of_this_process().size();
  compute();
  EXPECT_EQ(threads_of_this_process().size(), before) << "products, operators and kernels start none";
}

TEST(Threads, OfTheLoaderShareTheCoresOfTheRanks) {
  Config config;
  config.data.workers = 3;
  EXPECT_EQ(loader_threads(world(), config), 3);
  config.data.workers = 0;
  EXPECT_EQ(loader_threads(world(), config), cores_of_this_rank(world()));
  config.data.input = DataInput::synthetic;
  EXPECT_EQ(loader_threads(world(), config), 0);
}

TEST(Threads, AreCountedForTheTable) {
  Config config;
  config.data.workers = 3;
  config.checkpoint.writers = 1;
  MpiCommunicator communicator(world());
  const ThreadCounts counts = thread_counts(world(), config, communicator, 5);
  EXPECT_EQ(counts.compute, 5);
  EXPECT_EQ(counts.loader, 3);
  EXPECT_EQ(counts.communication, world().size() > 1 ? 1 : 0);
  EXPECT_EQ(counts.writer, world().rank() == 0 ? 1 : 0);
  communicator.shutdown();
}

}  // namespace
}  // namespace msn
