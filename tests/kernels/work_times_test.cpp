// SPDX-License-Identifier: Apache-2.0
#include "kernels/work_times.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string_view>
#include <thread>

#include "base/seconds_since.hpp"

namespace msn {
namespace {

using kernels::TimedWork;
using kernels::Work;
using kernels::WorkTime;
using kernels::WorkTimes;

const WorkTime& of(const WorkTimes& times, Work work) {
  return times[static_cast<std::size_t>(work)];
}

/// Takes at least so long.
void spend(double seconds) {
  const auto began = std::chrono::steady_clock::now();
  while (seconds_since(began) < seconds) {
  }
}

TEST(WorkTimes, WorkInsideOtherWorkCountsForItsOwnKindOnly) {
  kernels::take_work_times();
  const auto began = std::chrono::steady_clock::now();
  {
    const TimedWork head(Work::head, 100);
    spend(0.002);
    for (int i = 0; i < 2; ++i) {
      const TimedWork product(Work::product, 0, 7);
      spend(0.004);
    }
    const TimedWork more(Work::head, 10);
    spend(0.001);
  }
  const double all = seconds_since(began);
  const WorkTimes times = kernels::take_work_times();
  EXPECT_GE(of(times, Work::product).seconds, 0.008);
  EXPECT_GE(of(times, Work::head).seconds, 0.003);
  EXPECT_LE(of(times, Work::head).seconds + of(times, Work::product).seconds, all);
  EXPECT_EQ(of(times, Work::head).bytes, 110);
  EXPECT_EQ(of(times, Work::head).calls, 2);
  EXPECT_EQ(of(times, Work::product).flops, 14);
  EXPECT_EQ(of(times, Work::product).calls, 2);
  EXPECT_EQ(of(times, Work::gelu).calls, 0);
  EXPECT_EQ(of(kernels::take_work_times(), Work::head).calls, 0) << "taken before";
}

TEST(WorkTimes, WaitsAreNoWork) {
  kernels::take_work_times();
  double waited = 0;
  const auto start = std::chrono::steady_clock::now();
  {
    const kernels::WaitsOutOfWork waits([&] { return waited; });
    const TimedWork outer(Work::loss);
    const TimedWork inner(Work::gradient_sum);
    spend(0.004);
    waited += 0.004;
  }
  const double rest = seconds_since(start) - waited;
  const auto began = std::chrono::steady_clock::now();
  {
    const TimedWork later(Work::gelu);
    spend(0.001);
  }
  const double least = seconds_since(began);
  const WorkTimes times = kernels::take_work_times();
  EXPECT_GE(of(times, Work::gradient_sum).seconds, 0);
  EXPECT_GE(of(times, Work::loss).seconds, 0);
  EXPECT_LE(of(times, Work::loss).seconds + of(times, Work::gradient_sum).seconds, rest);
  EXPECT_GE(of(times, Work::gelu).seconds, 0.001);
  EXPECT_LE(of(times, Work::gelu).seconds, least);
}

TEST(WorkTimes, OfAnotherThreadIsItsOwn) {
  kernels::take_work_times();
  std::thread([] { const TimedWork work(Work::copy); }).join();
  EXPECT_EQ(of(kernels::take_work_times(), Work::copy).calls, 0);
}

TEST(WorkTimes, EveryKindHasAName) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kernels::kWorks; ++i)
    names.insert(kernels::name_of(static_cast<Work>(i)));
  EXPECT_EQ(names.size(), kernels::kWorks);
  EXPECT_EQ(kernels::name_of(Work::product), "product");
  EXPECT_EQ(kernels::name_of(Work::optimizer), "optimizer");
}

}  // namespace
}  // namespace msn
