// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "comm/world.hpp"

namespace msn {
namespace {

/// The claim under exactly these launcher variables.
LauncherClaim claim_with(const std::map<std::string, std::string>& variables) {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE",
                           "PALS_RANKID", "PALS_SIZE", "FLUX_TASK_RANK", "FLUX_JOB_SIZE", "JSM_NAMESPACE_RANK",
                           "JSM_NAMESPACE_SIZE", "PMI_RANK", "PMI_SIZE", "PMIX_RANK", "SLURM_PROCID", "SLURM_STEP_ID",
                           "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NODELIST"}) {
    ::unsetenv(name);
  }
  for (const auto& [name, value] : variables)
    ::setenv(name.c_str(), value.c_str(), 1);
  return launcher_claim();
}

TEST(LauncherClaim, ReadsEachLaunchersVariables) {
  EXPECT_EQ(claim_with({}).launcher, "");
  EXPECT_EQ(claim_with({}).size, 1);
  const auto mpirun = claim_with({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "8"}});
  EXPECT_EQ(mpirun.rank, 3);
  EXPECT_EQ(mpirun.size, 8);
  EXPECT_EQ(claim_with({{"PMI_RANK", "1"}, {"PMI_SIZE", "4"}}).size, 4);
  EXPECT_EQ(claim_with({{"FLUX_TASK_RANK", "1"}, {"FLUX_JOB_SIZE", "6"}}).size, 6);
  EXPECT_EQ(claim_with({{"JSM_NAMESPACE_RANK", "0"}, {"JSM_NAMESPACE_SIZE", "5"}}).size, 5);
  EXPECT_EQ(claim_with({{"PMIX_RANK", "2"}}).size, 3);
  EXPECT_EQ(claim_with({{"OMPI_COMM_WORLD_RANK", "x"}, {"OMPI_COMM_WORLD_SIZE", "8"}}).launcher, "");
}

TEST(LauncherClaim, TheInnerLauncherWins) {
  const auto claim = claim_with({{"OMPI_COMM_WORLD_RANK", "1"},
                                 {"OMPI_COMM_WORLD_SIZE", "2"},
                                 {"SLURM_PROCID", "0"},
                                 {"SLURM_STEP_ID", "0"},
                                 {"SLURM_NTASKS", "64"}});
  EXPECT_EQ(claim.rank, 1);
  EXPECT_EQ(claim.size, 2);
}

TEST(LauncherClaim, SlurmCountsOnlyInsideAStep) {
  const std::string interactive = "4294967290";
  EXPECT_EQ(claim_with({{"SLURM_NTASKS", "4"}}).size, 1);
  EXPECT_EQ(claim_with({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).size, 1);
  EXPECT_EQ(claim_with({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", interactive}}).size, 1);
  EXPECT_EQ(claim_with({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "0"}}).size, 4);
  EXPECT_EQ(
      claim_with({{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}, {"SLURM_STEP_ID", "3"}})
          .size,
      2);
}

TEST(CheckLaunch, RefusesManyRanksThatAreEachAlone) {
  EXPECT_NO_THROW(check_launch({"srun", 0, 4}, 4));
  EXPECT_NO_THROW(check_launch({"", 0, 1}, 1));
  try {
    check_launch({"srun", 0, 4}, 1);
    FAIL() << "accepted four ranks that are each alone";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_NE(std::string(error.what()).find("srun started 4 ranks, but MPI sees one"), std::string::npos);
  }
}

// What it refuses, the tests of `msn --self-test` show: to know it, MPI's own variables are read.
TEST(CheckSlurmStep, LetsEveryOtherStartPass) {
  const auto check_in_step = [](std::map<std::string, std::string> variables) {
    variables.insert({{"SLURM_NODELIST", "n[1-4]"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}});
    check_slurm_step(claim_with(variables));
  };
  EXPECT_NO_THROW(check_in_step({{"PMIX_RANK", "0"}}));                                            // srun --mpi=pmix
  EXPECT_NO_THROW(check_in_step({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "4"}}));  // mpirun
  EXPECT_NO_THROW(check_in_step({{"FLUX_TASK_RANK", "0"}, {"FLUX_JOB_SIZE", "4"}}));
  EXPECT_NO_THROW(check_slurm_step(claim_with({{"SLURM_NODELIST", "n1"}, {"SLURM_NTASKS", "4"}})));  // A job script.
  EXPECT_NO_THROW(check_slurm_step(claim_with({{"PMI_RANK", "1"}, {"PMI_SIZE", "4"}})));
}

}  // namespace
}  // namespace msn
