// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "comm/world.hpp"

namespace msn {
namespace {

struct LauncherVariables {
  const char* launcher;
  const char* rank;
  const char* size;  ///< nullptr: this launcher names none.
};

// In this order: what a launcher sets itself comes before what it passes on from an outer one.
constexpr LauncherVariables kLaunchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"MVAPICH2's mpirun", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},
    {"PALS", "PALS_RANKID", "PALS_SIZE"},
    {"Flux", "FLUX_TASK_RANK", "FLUX_JOB_SIZE"},
    {"jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"},
    {"a PMI launcher", "PMI_RANK", "PMI_SIZE"},
    {"a PMIx launcher", "PMIX_RANK", nullptr},
};

std::optional<int> number(const char* variable) {
  const char* text = variable == nullptr ? nullptr : std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  int value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < 0) return std::nullopt;
  return value;
}

/// A batch script, and a shell that salloc opens, inherit the job's task count without being its tasks: only a step
/// with an ordinary number (the special ones do not fit an int) is started by srun.
std::optional<LauncherClaim> slurm_claim() {
  const auto rank = number("SLURM_PROCID");
  if (!rank || !number("SLURM_STEP_ID")) return std::nullopt;
  const auto step_size = number("SLURM_STEP_NUM_TASKS");
  const auto size = step_size ? step_size : number("SLURM_NTASKS");
  return LauncherClaim{"srun", *rank, size.value_or(*rank + 1)};
}

}  // namespace

LauncherClaim launcher_claim() {
  for (const auto& entry : kLaunchers) {
    if (const auto rank = number(entry.rank)) {
      return {entry.launcher, *rank, number(entry.size).value_or(*rank + 1)};
    }
  }
  return slurm_claim().value_or(LauncherClaim{});
}

void check_launch(const LauncherClaim& claim, int world_size) {
  if (claim.size <= 1 || world_size > 1) return;
  throw usage_error(claim.launcher + " started " + std::to_string(claim.size) + " ranks, but MPI sees one", "launch",
                    "use the mpirun of the MPI that msn is linked with (msn --version), or srun --mpi=pmix with a PMIx "
                    "that fits it");
}

}  // namespace msn
