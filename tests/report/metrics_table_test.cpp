// SPDX-License-Identifier: Apache-2.0
#include "report/metrics_table.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/files.hpp"
#include "made_up_run.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

MetricsTable table_of(const std::string& text) {
  const test::TempDir folder;
  replace_text(folder / "metrics.jsonl", text);
  return read_metrics(folder / "metrics.jsonl");
}

std::vector<std::uint64_t> steps(std::initializer_list<std::uint64_t> list) {
  return list;
}

TEST(MetricsTable, HoldsTheNumbersOfEveryLine) {
  const MetricsTable table = table_of(
      "{\"step\":1,\"loss\":6.5,\"skipped\":false,\"ranks\":{\"slowest\":3,\"host\":\"n1\",\"data_seconds\":[1,2,3]}}\n"
      "{\"step\":2,\"loss\":null,\"skipped\":true,\"late\":-7}\n"
      "{\"step\":4,\"loss\":6.25}\n");
  EXPECT_EQ(table.steps, steps({1, 2, 4}));
  EXPECT_EQ(table.lines, 3U);
  EXPECT_EQ(table.damaged, 0U);
  EXPECT_FALSE(table.unfinished_end);
  ASSERT_EQ(table.series.size(), 7U);
  EXPECT_EQ(table.series.at("loss")[0], 6.5);
  EXPECT_TRUE(std::isnan(table.series.at("loss")[1]));
  EXPECT_EQ(table.series.at("loss")[2], 6.25);
  EXPECT_EQ(table.not_finite.at("loss"), 1U);
  EXPECT_EQ(table.series.at("skipped")[1], 1);
  EXPECT_TRUE(std::isnan(table.series.at("skipped")[2]));
  EXPECT_TRUE(std::isnan(table.series.at("late")[0])) << "not there yet";
  EXPECT_EQ(table.series.at("late")[1], -7);
  EXPECT_EQ(table.series.at("ranks.slowest")[0], 3);
  EXPECT_EQ(table.series.at("ranks.data_seconds.2")[0], 3);
  EXPECT_EQ(table.series.at("ranks.data_seconds.2").size(), 3U);
}

TEST(MetricsTable, PassesOverDamagedLines) {
  const MetricsTable table = table_of(
      "{\"step\":1,\"loss\":6}\n"
      "{\"step\":2,\"lo\n"
      "\n"
      "[1,2]\n"
      "{\"loss\":6}\n"
      "{\"step\":-1,\"loss\":6}\n"
      "{\"step\":3,\"loss\":1e999}\n"
      "{\"step\":4,\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}}}\n"
      "{\"step\":5,\"loss\":\"\xFF\"}\n" +
      std::string(3 << 20, 'x') +
      "\n"
      "{\"step\":6,\"loss\":5}\n"
      "{\"step\":7,\"loss\":4");
  EXPECT_EQ(table.steps, steps({1, 6}));
  EXPECT_EQ(table.lines, 11U);
  EXPECT_EQ(table.damaged, 9U);
  EXPECT_EQ(table.first_damaged, 2U);
  EXPECT_TRUE(table.unfinished_end);
  EXPECT_EQ(table.series.at("loss"), (std::vector<double>{6, 5}));
}

TEST(MetricsTable, LaterLinesOfAStepReplaceWhatStandsThereAndBehindIt) {
  const MetricsTable table = table_of(
      "{\"step\":1,\"loss\":1}\n{\"step\":2,\"loss\":2}\n{\"step\":3,\"loss\":3,\"old\":1}\n{\"step\":2,\"loss\":9}\n");
  EXPECT_EQ(table.steps, steps({1, 2}));
  EXPECT_EQ(table.series.at("loss"), (std::vector<double>{1, 9}));
  EXPECT_TRUE(std::isnan(table.series.at("old")[1]));
  EXPECT_EQ(table.replaced, 2U);
}

TEST(MetricsTable, KnowsWhereTheRunLooksCollapsed) {
  const MetricsTable table = table_of(
      "{\"step\":50,\"collapse\":[\"feature_rank\"]}\n{\"step\":51,\"collapse\":[]}\n"
      "{\"step\":100,\"collapse\":[\"mean_entropy\",\"feature_rank\"],\"other\":[\"text\"]}\n"
      "{\"step\":150,\"collapse\":[\"max_target\"]}\n{\"step\":149,\"loss\":1}\n");
  EXPECT_EQ(table.collapsed, steps({50, 100})) << "what a later life replaced is gone";
  EXPECT_EQ(table.collapse_signs, (std::set<std::string>{"feature_rank", "max_target", "mean_entropy"}));
  EXPECT_EQ(table.series.size(), 1U);
}

TEST(MetricsTable, IsEmptyWithoutAFileOrLines) {
  const test::TempDir folder;
  EXPECT_TRUE(read_metrics(folder / "metrics.jsonl").steps.empty());
  const MetricsTable table = table_of("");
  EXPECT_TRUE(table.steps.empty());
  EXPECT_EQ(table.lines, 0U);
  EXPECT_FALSE(table.unfinished_end);
}

TEST(MetricsTable, KeepsABoundedNumberOfKeys) {
  std::string text = "{\"step\":1";
  for (int i = 0; i < 250; ++i)
    text += ",\"key" + std::to_string(i) + "\":1";
  const MetricsTable table = table_of(text + "}\n");
  EXPECT_EQ(table.series.size(), kMostSeries);
  EXPECT_EQ(table.left_out, 50U);
}

TEST(MetricsTable, ReadsLinesAcrossItsBlocks) {
  const MetricsTable table = table_of(test::metrics_text(1, 6000));  // 2.5 MB
  ASSERT_EQ(table.steps.size(), 6000U);
  EXPECT_EQ(table.damaged, 0U);
  EXPECT_EQ(table.steps.back(), 6000U);
  for (std::size_t i = 0; i < 6000; ++i)
    ASSERT_EQ(table.series.at("loss")[i], test::metrics_line(i + 1)["loss"].get<double>());
}

}  // namespace
}  // namespace msn
