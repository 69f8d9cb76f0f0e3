// SPDX-License-Identifier: Apache-2.0
#include "report/run_record.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "base/files.hpp"
#include "made_up_run.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

TEST(RunRecord, TellsAllThatTheFolderHolds) {
  const test::TempDir folder;
  const fs::path run = folder / "photos";
  test::write_run(run, 300, {0, 100, 200});
  const RunRecord record = read_run(run);
  EXPECT_EQ(record.name, "photos");
  EXPECT_TRUE(record.notes.empty()) << record.notes.front();
  EXPECT_EQ(record.metrics.steps.size(), 300U);
  EXPECT_EQ(record.seed, 7U);
  EXPECT_EQ(record.data_fingerprint, "5f0c");
  EXPECT_EQ(record.setting("model.arch"), "vit_small");
  EXPECT_EQ(record.number("train.global_batch"), 64.0);
  EXPECT_EQ(record.number("model.arch"), std::nullopt);
  ASSERT_EQ(record.lives.size(), 3U);
  EXPECT_EQ(record.lives[1].first_step, 100U);
  EXPECT_FALSE(record.lives[1].ended);
  EXPECT_TRUE(record.lives[2].ended);
  EXPECT_EQ(record.lives[2].exit_code, 0U);
  ASSERT_EQ(record.lives[0].hosts.size(), 1U);
  const HostRecord& host = record.lives[0].hosts[0];
  EXPECT_EQ(host.first_and_last, "0 to 1");
  EXPECT_EQ(host.devices, "cpu");
  EXPECT_EQ(host.cores, "0; 1");
  EXPECT_EQ(host.threads, "1 compute, 1 loader, 1 communication, 1 writer; 1 compute, 1 loader, 1 communication");
  ASSERT_TRUE(record.status);
  EXPECT_EQ(record.status->state, "done");
  EXPECT_EQ(record.status->job, "Slurm 4711");
  EXPECT_EQ(record.status->reason, "");
}

TEST(RunRecord, ReckonsWhatFollowsFromTheSpeed) {
  const test::TempDir folder;
  test::write_run(folder.path(), 3);
  const RunRecord record = read_run(folder.path());
  EXPECT_DOUBLE_EQ(record.metrics.series.at("step_seconds")[0], 1.0);  // 64 images at 64 a second.
  EXPECT_DOUBLE_EQ(record.metrics.series.at("data_wait_share")[2], 1.0);
}

TEST(RunRecord, NamesTheFolderOfAPathThatEndsInASlash) {
  const test::TempDir folder;
  test::write_run(folder / "photos", 1);
  EXPECT_EQ(read_run((folder / "photos").string() + "/").name, "photos");
  EXPECT_EQ(read_run(folder / "photos/.").name, "photos");
}

TEST(RunRecord, NotesWhatIsDamagedAndReadsTheRest) {
  const test::TempDir folder;
  test::write_run(folder.path(), 20);
  replace_text(folder / "run.json", "{\"lives\": [");
  replace_text(folder / "status.json", "[1, 2]");
  replace_text(folder / "config.toml", "[train\nglobal_batch = 64\n");
  replace_text(folder / "metrics.jsonl", test::metrics_text(1, 5) + "broken\n" + test::metrics_text(6, 7) + "{\"st");
  const RunRecord record = read_run(folder.path());
  EXPECT_EQ(record.metrics.steps.size(), 7U);
  EXPECT_TRUE(record.lives.empty());
  EXPECT_TRUE(record.settings.empty());
  ASSERT_TRUE(record.status);
  EXPECT_EQ(record.status->state, "");
  ASSERT_EQ(record.notes.size(), 4U);
  EXPECT_NE(record.notes[0].find("config.toml could not be read: not valid TOML"), std::string::npos)
      << record.notes[0];
  EXPECT_EQ(record.notes[1], "run.json could not be read: it is not valid JSON");
  EXPECT_EQ(record.notes[2], "left out of metrics.jsonl: 1 line that could not be read, the first of them line 6");
  EXPECT_NE(record.notes[3].find("the last line of metrics.jsonl has no end"), std::string::npos);
}

TEST(RunRecord, ReadsNothingButFiles) {
  const test::TempDir folder;
  test::write_run(folder.path(), 1);
  fs::remove(folder / "metrics.jsonl");
  ASSERT_EQ(::mkfifo((folder / "metrics.jsonl").c_str(), 0600), 0);  // Whoever opens it waits for ever.
  fs::create_directory(folder / "log.txt");
  const RunRecord record = read_run(folder.path());
  ASSERT_EQ(record.notes.size(), 2U);
  EXPECT_EQ(record.notes[0], "log.txt could not be read: it is not a file");
  EXPECT_EQ(record.notes[1], "metrics.jsonl could not be read: it is not a file");
}

TEST(RunRecord, KeepsTheLastWarningsOfTheLog) {
  const test::TempDir folder;
  test::write_run(folder.path(), 1);
  std::string log;
  for (int i = 1; i <= 25; ++i) {
    log += "2026-03-01 08:30:00 info step " + std::to_string(i) + "\n";
    log += "2026-03-01 08:30:00 warning number " + std::to_string(i) + "\n";
  }
  replace_text(folder / "log.txt", log + "2026-03-01 08:30:00 error the end\n");
  const RunRecord record = read_run(folder.path());
  ASSERT_EQ(record.warnings.size(), kWarningsKept);
  EXPECT_EQ(record.warnings.back(), "2026-03-01 08:30:00 error the end");
  EXPECT_EQ(record.warnings.front(), "2026-03-01 08:30:00 warning number 7");
  EXPECT_EQ(record.more_warnings, 6U);
}

TEST(RunRecord, RefusesWhatIsNoRun) {
  const test::TempDir folder;
  EXPECT_EQ(test::refusal([&] { read_run(folder / "nowhere"); }),
            "there is no such run (" + (folder / "nowhere").string() + "): check the path");
  EXPECT_NE(test::refusal([&] { read_run(folder.path()); }).find("not a run folder"), std::string::npos);
  replace_text(folder / "file", "text");
  EXPECT_NE(test::refusal([&] { read_run(folder / "file"); }).find("not a run folder"), std::string::npos);
}

}  // namespace
}  // namespace msn
