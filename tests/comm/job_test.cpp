// SPDX-License-Identifier: Apache-2.0
#include "comm/job.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>

namespace msn {
namespace {

const std::chrono::system_clock::time_point kNow(std::chrono::seconds(1'790'000'000));

class JobTest : public testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }

  static void clear() {
    for (const char* variable :
         {"MSN_JOB_END", "SLURM_JOB_END_TIME", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID"})
      ::unsetenv(variable);
  }

  static void set(const char* variable, const std::string& value) { ::setenv(variable, value.c_str(), 1); }

  static std::string end() {
    const auto found = job_end_of_environment(kNow);
    if (!found) return "none";
    return found->variable + " " + std::to_string(std::chrono::floor<std::chrono::seconds>(found->time - kNow).count());
  }
};

TEST_F(JobTest, HasNoEndWithoutAVariable) {
  EXPECT_EQ(end(), "none");
  set("MSN_JOB_END", "");
  EXPECT_EQ(end(), "none");
}

TEST_F(JobTest, HasTheEndThatAScriptGivesBeforeSlurms) {
  set("SLURM_JOB_END_TIME", "1790000060");
  EXPECT_EQ(end(), "SLURM_JOB_END_TIME 60");
  set("MSN_JOB_END", "1790000050");
  EXPECT_EQ(end(), "MSN_JOB_END 50");
}

TEST_F(JobTest, PassesOverWhatIsNoTimeToCome) {
  for (const char* value : {"soon", "1e9", "-5", "1790000050.5", " 1790000050", "99999999999999999999", "1790000050000",
                            "0x7fffffff", "17:00:00", "1790000000", "1789999999", "0"}) {
    set("MSN_JOB_END", value);
    ::unsetenv("SLURM_JOB_END_TIME");
    EXPECT_EQ(end(), "none") << value;
    set("SLURM_JOB_END_TIME", "1790000060");
    EXPECT_EQ(end(), "SLURM_JOB_END_TIME 60") << value;
  }
}

TEST_F(JobTest, IsNamedByItsScheduler) {
  EXPECT_FALSE(job_of_environment());
  for (const auto& [scheduler, variable] : {std::pair("Flux", "FLUX_JOB_ID"), std::pair("LSF", "LSB_JOBID"),
                                            std::pair("PBS", "PBS_JOBID"), std::pair("Slurm", "SLURM_JOB_ID")}) {
    set(variable, "17.server");
    const auto job = job_of_environment();
    ASSERT_TRUE(job);
    EXPECT_EQ(job->scheduler, scheduler);
    EXPECT_EQ(job->id, "17.server");
  }
}

}  // namespace
}  // namespace msn
