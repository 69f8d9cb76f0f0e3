// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.hpp"

#include <gtest/gtest.h>

#include <fstream>
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
