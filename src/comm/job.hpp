// SPDX-License-Identifier: Apache-2.0
// What a batch scheduler tells the job in its environment.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace msn {

struct JobId {
  std::string scheduler;  ///< "Slurm", "PBS", "LSF" or "Flux".
  std::string id;
};
/// The job that this process belongs to: SLURM_JOB_ID, PBS_JOBID, LSB_JOBID, FLUX_JOB_ID.
std::optional<JobId> job_of_environment();

struct JobEnd {
  std::chrono::system_clock::time_point time;
  std::string variable;  ///< That told it.
};
/// When the scheduler will end the job: MSN_JOB_END, which a job script may set, else SLURM_JOB_END_TIME (Slurm 23.02
/// and later), in seconds since 1970. A value that is no such number, or a time before `now`, is warned of and passed
/// over.
std::optional<JobEnd> job_end_of_environment(std::chrono::system_clock::time_point now);

}  // namespace msn
