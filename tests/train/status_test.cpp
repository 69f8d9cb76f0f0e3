// SPDX-License-Identifier: Apache-2.0
#include "train/status.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/files.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using Json = nlohmann::json;

Json read(const test::TempDir& run) {
  return Json::parse(read_text(run / "status.json"));
}

template <class E>
std::exception_ptr thrown(E error) {
  return std::make_exception_ptr(std::move(error));
}

TEST(RunStatus, TellsALifeFromItsStartToItsEnd) {
  ::unsetenv("SLURM_JOB_ID");
  ::setenv("PBS_JOBID", "17.server", 1);
  const test::TempDir run;
  RunStatus status(World::alone(), run.path());
  status.failed(thrown(std::runtime_error("too early")));
  EXPECT_FALSE(std::filesystem::exists(run / "status.json")) << "the folder may be another job's";
  status.begin();
  Json now = read(run);
  EXPECT_EQ(now.at("format_version"), 1);
  EXPECT_EQ(now.at("state"), "starting");
  EXPECT_EQ(now.at("world_size"), 1);
  EXPECT_EQ(now.at("scheduler"), "PBS");
  EXPECT_EQ(now.at("job"), "17.server");
  for (const char* unknown : {"total_steps", "checkpoint", "reason", "exit_code"})
    EXPECT_TRUE(now.at(unknown).is_null()) << unknown;

  status.run(20, 100, {});
  EXPECT_EQ(read(run).at("state"), "running");
  EXPECT_EQ(read(run).at("step"), 20);
  EXPECT_EQ(read(run).at("total_steps"), 100);
  status.at_step(21, {});
  EXPECT_EQ(read(run).at("step"), 20) << "not at every step";
  status.at_step(21, 21);
  EXPECT_EQ(read(run).at("step"), 21);
  EXPECT_EQ(read(run).at("checkpoint"), "step-00000021");
  status.at_step(22, 21);
  EXPECT_EQ(read(run).at("step"), 21);
  status.end(30, 30, "SIGUSR1 (rank 3)");
  now = read(run);
  EXPECT_EQ(now.at("state"), "stopped");
  EXPECT_EQ(now.at("step"), 30);
  EXPECT_EQ(now.at("checkpoint"), "step-00000030");
  EXPECT_EQ(now.at("exit_code"), 75);
  EXPECT_EQ(now.at("reason"), "SIGUSR1 (rank 3)");
  status.end(100, 100, "");
  EXPECT_EQ(read(run).at("state"), "done");
  EXPECT_EQ(read(run).at("exit_code"), 0);
  EXPECT_TRUE(read(run).at("reason").is_null());
  ::unsetenv("PBS_JOBID");
  EXPECT_FALSE(std::filesystem::exists(run / "status.json.tmp"));
}

TEST(RunStatus, TellsTheErrorThatEndsALife) {
  const test::TempDir run;
  RunStatus status(World::alone(), run.path());
  status.run(0, 100, {});
  status.failed(thrown(AgreedError(data_error("the disk is full", "x\xff", "make room"))));
  EXPECT_EQ(read(run).at("state"), "failed");
  EXPECT_EQ(read(run).at("exit_code"), 74);
  EXPECT_EQ(read(run).at("reason").get<std::string>().find("the disk is full"), 0u);
  status.failed(thrown(std::runtime_error("a defect")));
  EXPECT_EQ(read(run).at("exit_code"), 70);
}

TEST(RunStatus, IsNotWrittenIntoAnotherJobsFolder) {
  const test::TempDir run;
  bool ours = true;
  RunStatus status(World::alone(), run.path(), [&] { return ours; });
  status.begin();
  ours = false;
  status.run(0, 100, {});
  status.failed(thrown(std::runtime_error("it was taken over")));
  EXPECT_EQ(read(run).at("state"), "starting");
}

TEST(RunStatus, ThatCannotBeWrittenEndsNothing) {
  const test::TempDir run;
  std::filesystem::create_directories(run / "status.json" / "in the way");
  RunStatus status(World::alone(), run.path());
  status.run(0, 100, {});
  status.end(100, 100, "");
  EXPECT_FALSE(std::filesystem::exists(run / "status.json.tmp"));
}

}  // namespace
}  // namespace msn
