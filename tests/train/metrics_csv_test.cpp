// SPDX-License-Identifier: Apache-2.0
#include "train/metrics_csv.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/files.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(MetricsCsv, HasTheColumnsOfAllSteps) {
  const test::TempDir dir;
  std::ofstream(dir / "metrics.jsonl")
      << R"({"step":1,"loss":5.25,"skipped":false})"
         "\n"
         R"({"step":2,"loss":null,"skipped":true,"ranks":{"host":"a \"b\", c","data_seconds":[0.5,1,2],"none":[]}})"
         "\n"
         R"({"step":3,"loss":0.1,"skipped":false,"feature_rank":7})"
         "\n"
         R"({"step":4,"lo)";
  EXPECT_EQ(write_metrics_csv(dir.path(), dir / "out.csv"), 3u);
  EXPECT_EQ(read_text(dir / "out.csv"),
            "step,loss,skipped,ranks.host,ranks.data_seconds.0,ranks.data_seconds.1,ranks.data_seconds.2,ranks.none,"
            "feature_rank\n"
            "1,5.25,false,,,,,,\n"
            "2,,true,\"a \"\"b\"\", c\",0.5,1,2,,\n"
            "3,0.1,false,,,,,,7\n");
}

TEST(MetricsCsv, OfARunWithoutAStepIsEmpty) {
  const test::TempDir dir;
  std::ofstream(dir / "metrics.jsonl") << "";
  EXPECT_EQ(write_metrics_csv(dir.path(), dir / "out.csv"), 0u);
  EXPECT_EQ(read_text(dir / "out.csv"), "\n");
}

TEST(MetricsCsv, SaysWhatKeepsItFromBeingWritten) {
  const test::TempDir dir;
  const auto refused = [](const std::filesystem::path& run, const std::filesystem::path& csv) {
    return test::refusal([&] { write_metrics_csv(run, csv); });
  };
  EXPECT_NE(refused(dir / "none", dir / "out.csv").find("cannot read the metrics"), std::string::npos);
  std::ofstream(dir / "metrics.jsonl") << "{\"step\":1}\n[2]\n";
  EXPECT_NE(refused(dir.path(), dir / "out.csv").find("line 2 is not of a step"), std::string::npos);
  std::ofstream(dir / "metrics.jsonl") << "{\"step\":1}\n";
  EXPECT_NE(refused(dir.path(), dir / "none/out.csv").find("cannot write the table"), std::string::npos);
  std::filesystem::create_directory(dir / "folder");
  EXPECT_NE(refused(dir.path(), dir / "folder").find("cannot write the table"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir / "out.csv"));
  EXPECT_FALSE(std::filesystem::exists(dir / "folder.tmp"));
}

}  // namespace
}  // namespace msn
