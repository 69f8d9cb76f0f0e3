// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::vector<std::uint64_t> steps_in(const std::filesystem::path& file) {
  std::istringstream in(read_text(file));
  std::vector<std::uint64_t> steps;
  for (std::string line; std::getline(in, line);)
    steps.push_back(nlohmann::json::parse(line).at("step"));
  return steps;
}

void write_steps(MetricsFile& file, std::uint64_t first, std::uint64_t last) {
  StepMetrics metrics;
  for (metrics.step = first; metrics.step <= last; ++metrics.step)
    file.write(metrics);
}

TEST(MetricsFile, CutsWhatALostLifeWroteBeyondItsCheckpoint) {
  const test::TempDir dir;
  {
    MetricsFile file(dir / "metrics.jsonl", 0);
    write_steps(file, 1, 7);
  }
  std::ofstream(dir / "metrics.jsonl", std::ios::app) << "{\"step\": 8, \"lo";  // Cut short by a crash.
  {
    MetricsFile file(dir / "metrics.jsonl", 5);
    write_steps(file, 6, 8);
  }
  EXPECT_EQ(steps_in(dir / "metrics.jsonl"), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(MetricsFile, CutsAnOverlapOfManyMegabytesAndNoMore) {
  const test::TempDir dir;
  const std::filesystem::path path = dir / "metrics.jsonl";
  std::ofstream out(path);
  std::string kept;
  for (int step = 1; step <= 5000; ++step) {
    const std::string line = "{\"step\":" + std::to_string(step) + ",\"filler\":\"" + std::string(1000, 'x') + "\"}\n";
    out << line;
    if (step <= 1234) kept += line;
    if (step != 700) continue;
    out << "a line that somebody has damaged\n";  // It is older than the overlap, so it is none of its business.
    kept += "a line that somebody has damaged\n";
  }
  out.close();
  { const MetricsFile file(path, 1234); }
  EXPECT_EQ(read_text(path), kept);
  { const MetricsFile file(path, 9999); }
  EXPECT_EQ(read_text(path), kept);
}

TEST(MetricsFile, CutsWhatIsNoLineOfAStepAtTheEnd) {
  const test::TempDir dir;
  const std::filesystem::path path = dir / "metrics.jsonl";
  const std::string good = "{\"step\":1}\n{\"step\":2}\n";
  for (const char* bad : {"\n", "\n\n", "{}\n", "[3]\n", "{\"step\":\"2\"}\n", "{\"step\":-1}\n", "{\"step\":2}"}) {
    std::ofstream(path) << good << bad;
    { const MetricsFile file(path, 2); }
    EXPECT_EQ(read_text(path), good) << bad;
    std::ofstream(path) << bad;
    { const MetricsFile file(path, 2); }
    EXPECT_EQ(read_text(path), "") << bad;
  }
  std::ofstream(path) << "";
  { const MetricsFile file(path, 2); }
  EXPECT_EQ(read_text(path), "");
}

TEST(MetricsFile, SaysWhatTheMonitorsSayOfTheirSteps) {
  const test::TempDir dir;
  {
    MetricsFile file(dir / "metrics.jsonl", 0);
    StepMetrics metrics;
    metrics.step = 1;
    metrics.time = 1764402099.25;
    metrics.loss.mean_entropy = 3.5;
    file.write(metrics);
    metrics.feature_rank = 12.5;
    metrics.collapse = {"prototypes_used", "max_target"};
    file.write(metrics);
  }
  std::istringstream in(read_text(dir / "metrics.jsonl"));
  std::string first, second;
  std::getline(in, first);
  std::getline(in, second);
  const auto without = nlohmann::json::parse(first), with = nlohmann::json::parse(second);
  EXPECT_EQ(without.at("time"), 1764402099.25);
  EXPECT_EQ(without.at("mean_entropy"), 3.5);
  EXPECT_FALSE(without.contains("feature_rank") || without.contains("collapse"));
  EXPECT_EQ(with.at("feature_rank"), 12.5);
  EXPECT_EQ(with.at("collapse"), nlohmann::json::parse(R"(["prototypes_used", "max_target"])"));
}

// One number of a step has one value, wherever it is written.
TEST(EventScalars, AreTheNumbersOfTheLine) {
  const test::TempDir dir;
  StepMetrics metrics;
  metrics.step = 7;
  metrics.epoch = 2;
  metrics.bad_samples = 3;
  metrics.feature_rank = 12.5;
  double value = 0.5;
  for (const NamedPart& part : loss_parts())
    metrics.loss.*part.value = value++;
  for (double* number :
       {&metrics.loss.mean_entropy, &metrics.schedule.lr, &metrics.schedule.weight_decay,
        &metrics.schedule.ema_momentum, &metrics.schedule.sharpen, &metrics.grad_norm, &metrics.images_per_second,
        &metrics.data_wait_seconds, &metrics.reduce_seconds, &metrics.reduce_wait_seconds})
    *number = value++;
  {
    MetricsFile file(dir / "metrics.jsonl", 0);
    file.write(metrics);
  }
  auto line = nlohmann::json::parse(read_text(dir / "metrics.jsonl"));
  for (const EventScalar& scalar : event_scalars(metrics)) {
    const std::string name = scalar.tag.substr(scalar.tag.find('/') + 1);
    EXPECT_EQ(line.at(name), scalar.value) << scalar.tag;
    line.erase(name);
  }
  EXPECT_EQ(line, nlohmann::json::parse(R"({"step": 7, "time": 0.0, "skipped": false})"));
}

TEST(MetricsFile, MarksASkippedStepAndHasNullForWhatIsNotFinite) {
  const test::TempDir dir;
  {
    MetricsFile file(dir / "metrics.jsonl", 0);
    StepMetrics metrics;
    metrics.step = 1;
    file.write(metrics);
    metrics.step = 2;
    metrics.skipped = true;
    metrics.loss.loss = std::nan("");
    metrics.loss.me_max = 0.5;
    metrics.grad_norm = std::numeric_limits<double>::infinity();
    file.write(metrics);
  }
  std::istringstream in(read_text(dir / "metrics.jsonl"));
  std::string first, second;
  std::getline(in, first);
  std::getline(in, second);
  EXPECT_EQ(nlohmann::json::parse(first).at("skipped"), false);
  const auto line = nlohmann::json::parse(second);
  EXPECT_EQ(line.at("skipped"), true);
  EXPECT_TRUE(line.at("loss").is_null());
  EXPECT_TRUE(line.at("grad_norm").is_null());
  EXPECT_EQ(line.at("me_max"), 0.5);
}

TEST(MetricsFile, TellsOfSavesInTheirSteps) {
  const test::TempDir dir;
  {
    MetricsFile file(dir / "metrics.jsonl", 0);
    StepMetrics metrics;
    metrics.step = 1;
    metrics.checkpoint.held_seconds = 0.25;
    file.write(metrics);
    metrics.step = 2;
    metrics.checkpoint = {std::nullopt, SaveResult{1, 1.5, 4096, std::nullopt}};
    file.write(metrics);
    metrics.step = 3;
    metrics.checkpoint = {0.5, SaveResult{2, 1.5, 0, data_error("full")}};
    file.write(metrics);
    metrics.step = 4;
    metrics.checkpoint = {};
    file.write(metrics);
  }
  std::istringstream in(read_text(dir / "metrics.jsonl"));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].at("checkpoint_seconds"), 0.25);
  EXPECT_FALSE(lines[0].contains("checkpoint"));
  EXPECT_FALSE(lines[1].contains("checkpoint_seconds"));
  EXPECT_EQ(lines[1].at("checkpoint"),
            nlohmann::json::parse(R"({"step": 1, "durable": true, "seconds": 1.5, "bytes": 4096})"));
  EXPECT_EQ(lines[2].at("checkpoint"), nlohmann::json::parse(R"({"step": 2, "durable": false, "seconds": 1.5})"));
  EXPECT_FALSE(lines[3].contains("checkpoint_seconds") || lines[3].contains("checkpoint"));
}

TEST(MetricsFile, StartsAFreshRunFromNothing) {
  const test::TempDir dir;
  {
    MetricsFile file(dir / "metrics.jsonl", 0);
    write_steps(file, 1, 3);
  }
  {
    MetricsFile file(dir / "metrics.jsonl", 0);
    write_steps(file, 1, 1);
  }
  EXPECT_EQ(steps_in(dir / "metrics.jsonl"), (std::vector<std::uint64_t>{1}));
}

}  // namespace
}  // namespace msn
