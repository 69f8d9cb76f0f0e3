// SPDX-License-Identifier: Apache-2.0
// What run.json tells of a run's lives, and when a run does not start again.
#include "train/lives.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/files.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json life(std::uint64_t number, std::uint64_t first_step) {
  return {{"life", number}, {"first_step", first_step}, {"config_digest", "abc"}};
}

std::optional<Error> judged(const Json& lives, std::uint64_t first_step = 20, int allowed = 3) {
  return no_progress(lives, first_step, "abc", allowed, "runs/a");
}

TEST(NoProgress, CountsTheLastLivesThatLeftNothing) {
  Json lives = Json::array();
  for (std::uint64_t n = 1; n <= 3; ++n) {
    EXPECT_FALSE(judged(lives));
    lives.push_back(life(n, 20));
  }
  const auto error = judged(lives);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ExitCode::no_progress);
  const std::string line = error->what();
  EXPECT_EQ(line.find("the last 3 lives of the run began after step 20 and ended without a newer checkpoint; the last "
                      "one was killed or crashed (runs/a): look at runs/a/log.txt"),
            0u)
      << line;
  EXPECT_NE(line.find("--set train.max_fruitless_lives=0"), std::string::npos) << line;
  EXPECT_FALSE(judged(lives, 20, 4)) << "more are allowed";
  EXPECT_FALSE(judged(lives, 20, 0)) << "any number is allowed";
  EXPECT_FALSE(judged(lives, 10)) << "the next one begins elsewhere";
  EXPECT_FALSE(no_progress(lives, 20, "other", 3, "runs/a")) << "the next one is configured otherwise";
}

TEST(NoProgress, SaysHowTheLastOneEnded) {
  Json lives = {life(1, 20)};
  lives[0]["ended"] = {{"exit", 74}, {"reason", "the disk is full"}};
  EXPECT_NE(std::string(judged(lives, 20, 1)->what()).find("the last one ended with 74: the disk is full"),
            std::string::npos);
}

TEST(NoProgress, ALifeThatLeftSomethingOrCameToItsEndIsProgress) {
  const auto with = [](const char* name, const Json& value) {
    Json lives = {life(1, 20), life(2, 20), life(3, 20)};
    lives[1][name] = value;
    return judged(lives);
  };
  EXPECT_FALSE(with("saved", 25));
  EXPECT_FALSE(with("ended", {{"exit", 0}, {"reason", ""}}));
  EXPECT_FALSE(with("first_step", 10));
  EXPECT_FALSE(with("config_digest", "abd"));
  EXPECT_TRUE(with("ended", {{"exit", 75}, {"reason", "stopped"}})) << "stopped, but no further";
}

TEST(NoProgress, WhatIsNoLifeCountsAsProgress) {
  for (const Json& strange : {Json(), Json(5), Json::array(), Json::object(), Json{{"first_step", 20}},
                              Json{{"life", 1}, {"first_step", "20"}}, Json{{"life", -1}, {"first_step", 20}}}) {
    EXPECT_FALSE(judged({life(1, 20), strange, life(3, 20)})) << strange;
  }
  Json lives = {life(1, 20), life(2, 20), life(3, 20)};
  lives[2]["ended"] = "strange";
  EXPECT_TRUE(judged(lives));
}

/// A run in a folder of its own, of one rank.
class RunOfOneRank {
 public:
  const fs::path& path() const { return folder_.path(); }
  Json json() const { return Json::parse(read_text(path() / "run.json")); }
  Life begin(std::uint64_t first_step, int allowed = 2) {
    Config config;
    config.train.max_fruitless_lives = allowed;
    Life life(world_, path(), lease_);
    life.begin(config, {1, "cpu", "", "fingerprint", first_step, {RankPlace{}}});
    return life;
  }

 private:
  test::TempDir folder_;
  World world_ = World::alone();
  RunLease lease_{world_, folder_.path(), [] {},
                  LeaseTimes{std::chrono::hours(1), std::chrono::milliseconds(0), std::chrono::hours(1), {}}};
};

TEST(Life, IsRecorded) {
  RunOfOneRank run;
  run.begin(0);
  EXPECT_TRUE(fs::exists(run.path() / "config.toml"));
  const Json json = run.json();
  EXPECT_EQ(json.at("data_fingerprint"), "fingerprint");
  ASSERT_EQ(json.at("lives").size(), 1u);
  const Json& life = json.at("lives").at(0);
  EXPECT_EQ(life.at("life"), 1);
  EXPECT_EQ(life.at("generation"), 1);
  EXPECT_EQ(life.at("first_step"), 0);
  EXPECT_EQ(life.at("ranks").size(), 1u);
  EXPECT_FALSE(life.contains("saved"));
  EXPECT_FALSE(life.contains("ended"));
}

TEST(Life, TellsOfItsCheckpointsAndItsEnd) {
  RunOfOneRank run;
  Life life = run.begin(10);
  life.saved(std::nullopt);
  life.saved(10);
  EXPECT_FALSE(run.json().at("lives").at(0).contains("saved")) << "no newer one";
  life.saved(15);
  EXPECT_EQ(run.json().at("lives").at(0).at("saved"), 15);
  life.saved(20);
  EXPECT_EQ(run.json().at("lives").at(0).at("saved"), 15) << "one write a life is enough";
  life.ended(ExitCode::stopped, "a signal");
  const Json entry = run.json().at("lives").at(0);
  EXPECT_EQ(entry.at("saved"), 20);
  EXPECT_EQ(entry.at("ended").at("exit"), 75);
  EXPECT_EQ(entry.at("ended").at("reason"), "a signal");
}

TEST(Life, FruitlessOnesEndTheRunUntilItIsAllowedMore) {
  RunOfOneRank run;
  run.begin(0);
  run.begin(0);
  const std::string before = read_text(run.path() / "run.json");
  try {
    run.begin(0);
    FAIL() << "a third life began";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::no_progress);
  }
  EXPECT_EQ(read_text(run.path() / "run.json"), before);
  Life life = run.begin(0, 0);
  EXPECT_THROW(run.begin(0), AgreedError);
  life.saved(5);
  run.begin(5);
  run.begin(5);
  EXPECT_THROW(run.begin(5), AgreedError);
}

TEST(Life, RunJsonStaysSmall) {
  RunOfOneRank run;
  Json json = {{"lives", Json::array()}};
  for (std::uint64_t n = 1; n <= kLivesKept + 20; ++n) {
    json["lives"].push_back(life(n, n));
    json["lives"].back()["ranks"] = Json::array({1, 2, 3});
  }
  write_durably(run.path() / "run.json", json.dump());
  run.begin(0);
  const Json lives = run.json().at("lives");
  ASSERT_EQ(lives.size(), kLivesKept);
  EXPECT_EQ(lives.front().at("life"), 22);
  EXPECT_EQ(lives.back().at("life"), kLivesKept + 21);
  std::size_t with_ranks = 0;
  for (const Json& each : lives)
    with_ranks += each.contains("ranks") ? 1 : 0;
  EXPECT_EQ(with_ranks, kLivesWithRanks);
}

TEST(Life, EndsUnrecordedIfItHasNotBegun) {
  const test::TempDir folder;
  const World world = World::alone();
  RunLease lease(world, folder.path(), [] {});
  Life life(world, folder.path(), lease);
  life.ended(ExitCode::config, "another configuration");
  EXPECT_FALSE(fs::exists(folder / "run.json"));
}

TEST(Life, BeginsAnewWhereRunJsonIsDamaged) {
  for (const char* text : {"", "garbage", "[]", "{\"lives\": 5}", "{\"lives\": [5, null, {}]}"}) {
    RunOfOneRank run;
    write_durably(run.path() / "run.json", text);
    Life life = run.begin(0);
    life.saved(5);
    EXPECT_EQ(run.json().at("lives").back().at("saved"), 5) << text;
  }
}

TEST(Life, WritesNoMoreOnceTheFolderIsAnothers) {
  RunOfOneRank run;
  Life life = run.begin(0);
  fs::remove(lease_file(run.path()));
  const std::string before = read_text(run.path() / "run.json");
  life.saved(5);
  life.ended(ExitCode::done, "");
  EXPECT_EQ(read_text(run.path() / "run.json"), before);
}

}  // namespace
}  // namespace msn
