// SPDX-License-Identifier: Apache-2.0
#include "train/run_reports.hpp"

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<nlohmann::json> lines_of(const std::filesystem::path& run) {
  std::istringstream in(read_text(run / "metrics.jsonl"));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::ptrdiff_t event_files(const std::filesystem::path& run) {
  const auto folder = run / "tensorboard";
  if (!std::filesystem::exists(folder)) return 0;
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator{});
}

/// A life that makes the steps after `completed` up to `last`, of a network that is collapsed.
void life(const std::filesystem::path& run, const Config& config, std::uint64_t completed, std::uint64_t last) {
  RunReports reports(run, config, {completed, last, 500});
  for (std::uint64_t step = completed + 1; step <= last; ++step) {
    EXPECT_EQ(reports.due(step), step == last);  // The last one, or after ten seconds.
    StepMetrics metrics;
    metrics.step = step;
    metrics.loss.prototypes_used = 1;
    metrics.loss.max_target = 1;
    reports.add(at::ones({4, config.model.head_out}, at::kFloat), metrics);
  }
}

TEST(RunReports, WriteOneLineAStepAndAnEventFileALife) {
  const test::TempDir dir;
  const Config config;
  life(dir.path(), config, 0, 7);
  life(dir.path(), config, 5, 60);  // Two steps were lost.
  const auto lines = lines_of(dir.path());
  ASSERT_EQ(lines.size(), 60u);
  for (std::size_t i = 0; i < lines.size(); ++i)
    EXPECT_EQ(lines[i].at("step"), i + 1);
  EXPECT_EQ(lines[54].at("collapse"), nlohmann::json::parse(R"(["prototypes_used", "mean_entropy"])"));
  EXPECT_EQ(event_files(dir.path()), 2);
}

TEST(RunReports, LeaveOutWhatIsTurnedOff) {
  const test::TempDir dir;
  Config config;
  config.runtime.tensorboard = config.runtime.monitors = false;
  life(dir.path(), config, 0, 60);
  for (const nlohmann::json& line : lines_of(dir.path()))
    EXPECT_FALSE(line.contains("collapse"));
  EXPECT_EQ(event_files(dir.path()), 0);
}

StepMetrics step_of(std::uint64_t step, double waited) {
  StepMetrics metrics;
  metrics.step = step;
  metrics.epoch = 3;
  metrics.loss.loss = 5.12344;
  metrics.data_wait_seconds = waited;
  return metrics;
}

TEST(ProgressText, SaysHowFarHowFastAndHowLong) {
  const StepMetrics metrics = step_of(1234, 0);
  const Pace pace{96.24, 0.036, 7980, 50000};
  EXPECT_EQ(live_text(metrics, pace),
            "step 1,234/50,000  epoch 3  loss 5.1234  96.2 images/s  data wait 4 %  2 h 13 min left");
  EXPECT_EQ(report_text(metrics, pace),
            "step 1,234/50,000  epoch 3  loss 5.1234  cross-entropy 0.0000  me-max 0.0000  lr 0.00e+00  grad norm "
            "0.000  prototypes 0  96.2 images/s  data wait 4 %  2 h 13 min left");
}

TEST(RunProgress, ReportsEveryTenSecondsAndAtTheEnd) {
  const RunProgress::Clock::time_point start{};
  RunProgress progress(10, 20, 100, 8, start);
  EXPECT_FALSE(progress.due(11, start + milliseconds(9999)));
  EXPECT_TRUE(progress.due(11, start + seconds(10)));
  EXPECT_TRUE(progress.due(20, start));
  progress.add(step_of(11, 0), start + seconds(10));
  EXPECT_FALSE(progress.due(12, start + seconds(12)));
  EXPECT_TRUE(progress.due(12, start + seconds(20)));
}

TEST(RunProgress, TheFirstStepDoesNotCountForWhatIsLeft) {
  const RunProgress::Clock::time_point start{};
  RunProgress progress(0, 100, 200, 8, start);
  progress.add(step_of(1, 60), start + seconds(60));  // Everything was made in it.
  EXPECT_EQ(progress.since_report(step_of(3, 0.5), start + seconds(62)).seconds_left, 97);
  const Pace pace = progress.since_report(step_of(3, 0.5), start + seconds(62));
  EXPECT_EQ(pace.images_per_second, 8);
  EXPECT_EQ(pace.data_wait, 0.25);
  EXPECT_EQ(pace.total_steps, 200u);
}

}  // namespace
}  // namespace msn
