// SPDX-License-Identifier: Apache-2.0
#include "train/profile.hpp"

#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "comm/sections.hpp"
#include "kernels/work_times.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class ProfileTest : public testing::Test {
 protected:
  Profile::Options options(std::uint64_t steps) const {
    return {steps, folder.path(), [] { return true; }, at::kCPU};
  }

  /// A step as the training loop and a stepper take one.
  void take_step(Profile& profile, std::uint64_t number) {
    profile.begin_step(number);
    sections.begin_step(number);
    InSection section(&sections, Section::forward);
    {
      const kernels::TimedWork attention(kernels::Work::attention);
      const kernels::TimedWork product(kernels::Work::product);
      const at::Tensor a = at::ones({8, 8});
      static_cast<void>(at::mm(a, a));
    }
    section.next(Section::backward);
  }

  /// How often each name stands in the trace.
  std::map<std::string, int> names(const std::string& file) const {
    std::ifstream stream(folder.path() / "profile" / file);
    std::map<std::string, int> found;
    const nlohmann::json trace = nlohmann::json::parse(stream);  // Throws where it is none.
    for (const auto& event : trace.at("traceEvents")) {
      if (event.at("ph") == "X") ++found[event.at("name").get<std::string>()];
    }
    return found;
  }

  test::TempDir folder;
  Heartbeat heartbeat{};
  FlightRecorder recorder;
  Sections sections{heartbeat, recorder, 0};
};

TEST_F(ProfileTest, WritesTheStepsAfterTheWarmUp) {
  Profile profile(options(2), 0);
  for (std::uint64_t step = 101; step <= 115; ++step)
    take_step(profile, step);
  profile.end();
  const auto found = names("rank-0000-steps-00000111-00000112.json");
  EXPECT_EQ(found.count("step 110"), 0u);
  for (const char* name : {"step 111", "step 112"})
    EXPECT_EQ(found.at(name), 1) << name;
  EXPECT_EQ(found.count("step 113"), 0u);
  for (const char* name : {"forward", "backward", "attention", "product", "aten::mm"})
    EXPECT_EQ(found.at(name), 2) << name;
  EXPECT_EQ(found.at("data"), 4) << "before the section in its scope, and after";
}

TEST_F(ProfileTest, WritesWhatThereIsWhenALifeEnds) {
  Profile profile(options(100), 0);
  for (std::uint64_t step = 1; step <= 13; ++step)
    take_step(profile, step);
  profile.end();
  EXPECT_EQ(names("rank-0000-steps-00000011-00000013.json").at("aten::mm"), 3);
}

TEST_F(ProfileTest, WritesNothingWhereItIsNotAskedOrNotAllowed) {
  const auto live = [&](Profile::Options of, int rank) {
    Profile profile(std::move(of), rank);
    for (std::uint64_t step = 1; step <= 12; ++step)
      take_step(profile, step);
    profile.end();
  };
  live({{}, folder.path(), {}, at::kCPU}, 0);
  live(options(1), 1);
  Profile::Options lost = options(1);
  lost.may_write = [] { return false; };
  live(lost, 0);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "profile"));
}

TEST_F(ProfileTest, ALifeThatAnErrorEndsLeavesTheProfilerFree) {
  for (int life = 0; life < 2; ++life) {
    Profile profile(options(5), 0);
    for (std::uint64_t step = 1; step <= 12; ++step)
      take_step(profile, step);
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "profile"));
}

}  // namespace
}  // namespace msn
