// SPDX-License-Identifier: Apache-2.0
#include "comm/async_collectives.hpp"

#include <bit>
#include <chrono>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/add_parts.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

using Setting = std::pair<ExchangePath, Background>;

class Asynchronous : public testing::TestWithParam<Setting> {
 protected:
  static CollectiveOptions options(ExchangeSizes sizes = {}) { return {GetParam().first, GetParam().second, sizes}; }
};
INSTANTIATE_TEST_SUITE_P(Settings, Asynchronous,
                         testing::Values(Setting{ExchangePath::shared_memory, Background::automatic},
                                         Setting{ExchangePath::shared_memory, Background::off},
                                         Setting{ExchangePath::messages, Background::automatic},
                                         Setting{ExchangePath::messages, Background::off}),
                         [](const auto& info) {
                           return std::string(info.param.first == ExchangePath::messages ? "Messages"
                                                                                         : "SharedMemory") +
                                  (info.param.second == Background::off ? "Foreground" : "Background");
                         });

std::vector<float> ones(std::size_t length) {
  return std::vector<float>(length, 1.0f);
}

void expect_all(const std::vector<float>& values, float expected) {
  for (const float value : values)
    ASSERT_EQ(value, expected);
}

TEST_P(Asynchronous, ManyAreStartedAndWaitedForInOrder) {
  AsyncCollectives collectives(world(), options({1024, 4096}));
  constexpr std::size_t count = 50;
  std::vector<std::vector<float>> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(ones(i % 7 == 0 ? 5000 + i : 10 + i));
  std::vector<AsyncCollectives::Handle> handles;
  for (auto& part : values)
    handles.push_back(collectives.start_sum(std::span(part), "part", nullptr));
  for (std::size_t i = 0; i < count; ++i) {
    collectives.wait(handles[i]);
    expect_all(values[i], static_cast<float>(world().size()));
  }
  collectives.shutdown();
}

TEST_P(Asynchronous, WaitingForALaterOneCompletesTheEarlier) {
  AsyncCollectives collectives(world(), options());
  auto first = ones(100000), second = ones(10);
  const auto one = collectives.start_sum(std::span(first), "first", nullptr);
  const auto two = collectives.start_sum(std::span(second), "second", nullptr);
  collectives.wait(two);
  expect_all(first, static_cast<float>(world().size()));
  std::vector<float> small{1};
  collectives.sum(std::span(small), "small");
  EXPECT_EQ(small[0], static_cast<float>(world().size()));
  collectives.wait(one);
  EXPECT_GE(AsyncCollectives::seconds(one), 0);
  collectives.shutdown();
}

TEST_P(Asynchronous, Bfloat16IsAddedInFloat32InRankOrderAndRoundedOnce) {
  AsyncCollectives collectives(world(), options({64, 256}));
  const auto value = [](std::size_t rank, std::size_t i) {  // 8 bits of 1/3, 2/3, ... of many sizes.
    return to_bf16(static_cast<float>((i * 7 + rank * 3) % 23) / 3.0F * (rank % 2 == 0 ? 1.0F : -0.015625F));
  };
  for (const std::size_t length : {std::size_t{1}, std::size_t{30}, std::size_t{5000}}) {
    std::vector<kernels::Bf16> values(length);
    for (std::size_t i = 0; i < length; ++i)
      values[i] = value(static_cast<std::size_t>(world().rank()), i);
    collectives.sum(std::span(values), "bfloat16");
    for (std::size_t i = 0; i < length; ++i) {
      float expected = to_float(value(0, i));
      for (std::size_t rank = 1; rank < static_cast<std::size_t>(world().size()); ++rank)
        expected += to_float(value(rank, i));
      ASSERT_EQ(values[i].bits, to_bf16(expected).bits) << i;
    }
    std::vector<kernels::Bf16> mine(3, to_bf16(static_cast<float>(world().rank())));
    std::vector<kernels::Bf16> all(3 * static_cast<std::size_t>(world().size()));
    collectives.gather(std::span(mine), std::span(all), "bfloat16 of all");
    for (std::size_t i = 0; i < all.size(); ++i)
      EXPECT_EQ(to_float(all[i]), static_cast<float>(i / 3));
  }
  collectives.shutdown();
}

TEST(Bfloat16, IsRoundedToTheNearestWithTiesToEven) {
  const auto round = [](float value) { return to_float(to_bf16(value)); };
  EXPECT_EQ(round(1.0F + 0x1p-8F), 1.0F);
  EXPECT_EQ(round(1.0F + 0x1p-7F + 0x1p-8F), 1.0F + 0x1p-6F);
  EXPECT_EQ(round(1.0F + 0x1.8p-8F), 1.0F + 0x1p-7F);
  EXPECT_EQ(round(-256.0F), -256.0F);
  EXPECT_EQ(round(257.0F), 256.0F) << "counts are exact up to 256";
  EXPECT_EQ(round(3.4e38F), INFINITY);
  EXPECT_EQ(round(-INFINITY), -INFINITY);
  EXPECT_TRUE(std::isnan(round(NAN)));
  EXPECT_TRUE(std::isnan(round(std::bit_cast<float>(0x7F800001U)))) << "a small payload does not become infinite";
  EXPECT_TRUE(std::signbit(round(-0.0F)));
}

TEST_P(Asynchronous, RanksMayComeAtDifferentTimes) {
  AsyncCollectives collectives(world(), options());
  auto values = ones(50000);
  if (world().rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));
  collectives.wait(collectives.start_sum(std::span(values), "values", nullptr));
  expect_all(values, static_cast<float>(world().size()));
  collectives.shutdown();
}

TEST_P(Asynchronous, IsRecorded) {
  AsyncCollectives collectives(world(), options());
  const std::size_t before = world().recorder().records().size();
  std::vector<double> mine(3), all(3 * static_cast<std::size_t>(world().size()));
  collectives.gather(std::span(mine), std::span(all), "three numbers");
  const auto records = world().recorder().records();
  if (world().size() == 1) {
    EXPECT_EQ(records.size(), before) << "nothing is sent";
  } else if (records.size() < FlightRecorder::capacity) {
    ASSERT_EQ(records.size(), before + 1);
    EXPECT_EQ(records.back().what, "three numbers");
    EXPECT_EQ(records.back().kind, CollectiveKind::gather);
    EXPECT_EQ(records.back().channel, Channel::tensors);
    EXPECT_EQ(records.back().bytes, 24u);
    EXPECT_GE(records.back().started, records.back().issued);
    EXPECT_GE(records.back().finished, records.back().started);
  }
  collectives.shutdown();
}

TEST_P(Asynchronous, ShutdownCompletesWhatWasStarted) {
  AsyncCollectives collectives(world(), options());
  auto values = ones(70000);
  collectives.start_sum(std::span(values), "values", nullptr);
  collectives.shutdown();
  expect_all(values, static_cast<float>(world().size()));
}

TEST_P(Asynchronous, IsDestroyedWithoutWaitingForOtherRanks) {
  const auto values = std::make_shared<std::vector<float>>(100000, 1.0f);
  {
    AsyncCollectives collectives(world(), options());
    // Rank 0 alone starts something, which never ends.
    if (world().rank() == 0) collectives.start_sum(std::span(*values), "lonely", values);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  world().barrier();
}

/// The text of the error that `call` throws on this rank, "" without one.
std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const JobError& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    return error.problem();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
  }
  return "";
}

/// Every rank but the last calls `usual`, the last one `odd`, as collective 1; all must say so.
void expect_named(const CollectiveOptions& options, const std::function<void(AsyncCollectives&)>& usual,
                  const std::function<void(AsyncCollectives&)>& odd, const std::string& usual_text,
                  const std::string& odd_text) {
  if (world().size() == 1) return;
  AsyncCollectives collectives(world(), options);
  auto good = ones(5);
  collectives.sum(std::span(good), "good");
  const int last = world().size() - 1;
  const std::string text = error_of([&] { (world().rank() == last ? odd : usual)(collectives); });
  const auto place = [&](int rank) {
    return "rank " + std::to_string(rank) + " of " + std::to_string(world().size()) + " (host " + world().host() + ")";
  };
  EXPECT_EQ(text, place(last) + " called " + odd_text + " as collective 1 where " +
                      (world().size() == 2 ? place(0) : "the others") + " called " + usual_text);
  // Later ones throw the same.
  EXPECT_EQ(error_of([&] { collectives.sum(std::span(good), "good"); }), text);
  EXPECT_EQ(error_of([&] { collectives.wait(collectives.start_sum(std::span(good), "good", nullptr)); }), text);
}

TEST_P(Asynchronous, ARankOutOfStepIsNamed) {
  const auto sum_of = [](std::size_t length, const char* what) {
    return [=](AsyncCollectives& collectives) {
      auto values = ones(length);
      collectives.sum(std::span(values), what);
    };
  };
  const auto doubles = [](AsyncCollectives& collectives) {
    std::vector<double> values(6);
    collectives.sum(std::span(values), "a");
  };
  const auto gather = [](AsyncCollectives& collectives) {
    std::vector<double> mine(12), all(12 * static_cast<std::size_t>(world().size()));
    collectives.gather(std::span(mine), std::span(all), "metrics");
  };
  const auto two = [](AsyncCollectives& collectives) {  // The first is what the odd rank skips.
    auto first = ones(200000), second = ones(3);
    const auto one = collectives.start_sum(std::span(first), "first", nullptr);
    const auto other = collectives.start_sum(std::span(second), "second", nullptr);
    collectives.wait(one);
    collectives.wait(other);
  };
  const std::string six = "sum of 6 float32 \"a\"";
  expect_named(options(), sum_of(6, "a"), gather, six, "gather of 12 float64 \"metrics\"");
  expect_named(options(), sum_of(6, "a"), sum_of(7, "a"), six, "sum of 7 float32 \"a\"");
  expect_named(options(), sum_of(6, "a"), sum_of(60000, "a"), six, "sum of 60000 float32 \"a\"");
  expect_named(options(), sum_of(6, "a"), doubles, six, "sum of 6 float64 \"a\"");
  expect_named(options(), sum_of(6, "a"), sum_of(6, "b"), six, "sum of 6 float32 \"b\"");
  expect_named(options(), two, sum_of(3, "second"), "sum of 200000 float32 \"first\"", "sum of 3 float32 \"second\"");
}

TEST(CheckCalls, NamesEveryOddRankAndSeesTheWholeText) {
  const std::string same(60, 'x');
  const Call usual(7, CollectiveKind::sum, 4, Scalar::f32, same + "1");
  const Call other(7, CollectiveKind::sum, 4, Scalar::f32, same + "2");  // Equal in what people are shown.
  const Call gather(7, CollectiveKind::gather, 9, Scalar::f64, "m");
  const std::vector<std::string> hosts{"a", "b", "c", "d", "e"};
  const std::vector<Call> equal{usual, usual, usual, usual, usual};
  EXPECT_NO_THROW(check_calls(equal, hosts));
  const std::vector<Call> calls{usual, other, usual, gather, usual};
  const std::string text = error_of([&] { check_calls(calls, hosts); });
  EXPECT_NE(text.find("rank 1 of 5 (host b) called sum of 4 float32"), std::string::npos) << text;
  EXPECT_NE(text.find("rank 3 of 5 (host d) called gather of 9 float64 \"m\" as collective 7 where the others called"),
            std::string::npos)
      << text;
}

TEST(AsyncCollectives, SaysHowItGoes) {
  AsyncCollectives collectives(world(), {});
  EXPECT_EQ(collectives.description(), world().size() == 1 ? "one rank" : "shared memory, in the background");
  std::vector<float> value{1};
  collectives.sum(std::span(value), "value");
  EXPECT_EQ(collectives.wait_seconds() > 0, world().size() > 1);
  collectives.shutdown();
}

}  // namespace
}  // namespace msn
