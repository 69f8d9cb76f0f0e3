// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
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

constexpr const char* kSrun = "srun";
constexpr const char* kPmi = "a PMI launcher";

// In this order: what a launcher sets itself comes before what it passes on from an outer one.
constexpr LauncherVariables kLaunchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"MVAPICH2's mpirun", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},
    {"PALS", "PALS_RANKID", "PALS_SIZE"},
    {"Flux", "FLUX_TASK_RANK", "FLUX_JOB_SIZE"},
    {"jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"},
    {kPmi, "PMI_RANK", "PMI_SIZE"},
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
  return LauncherClaim{kSrun, *rank, size.value_or(*rank + 1)};
}

/// Open MPI before version 5 ends a process that srun started in MPI_Init, with code 1 and a page of text for each
/// rank, where it cannot ask Slurm for the other ranks; a later one comes up alone.
bool is_open_mpi_before_5() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  constexpr std::string_view name = "Open MPI v";
  std::string_view version(text);
  if (!version.starts_with(name)) return false;
  version.remove_prefix(name.size());
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major < 5;
}

/// Whether this Open MPI was built with Slurm's own protocols beside PMIx: each component has variables of its name.
bool speaks_pmi_of_slurm() {
  int provided = 0;
  if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS) return true;  // Let MPI_Init say it.
  constexpr std::array variables{"pmix_s1_major_version", "pmix_s2_major_version", "pmix_cray_major_version"};
  const bool found = std::any_of(variables.begin(), variables.end(), [](const char* variable) {
    int index = 0;
    return MPI_T_cvar_get_index(variable, &index) == MPI_SUCCESS;
  });
  MPI_T_finalize();
  return found;
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

void check_slurm_step(const LauncherClaim& claim) {
  const auto is_set = [](const char* variable) { return std::getenv(variable) != nullptr; };
  // By these Open MPI knows a task of Slurm's; a shell that salloc opens as an interactive step has them too.
  if (!is_set("SLURM_NODELIST") || !is_set("SLURM_STEP_ID") || is_set("PMIX_RANK")) return;
  const bool by_slurm = claim.launcher.empty() || claim.launcher == kSrun || claim.launcher == kPmi;
  if (!by_slurm || !is_open_mpi_before_5() || speaks_pmi_of_slurm()) return;
  const std::string started = claim.launcher.empty() ? "this process was started in an interactive step of Slurm"
                                                     : claim.launcher + " started " + std::to_string(claim.size) +
                                                           (claim.size == 1 ? " rank" : " ranks");
  throw usage_error(started + " without PMIx, which this Open MPI needs", "launch",
                    "use srun --mpi=pmix (srun --mpi=list tells whether this Slurm has it), or mpirun");
}

void check_launch(const LauncherClaim& claim, int world_size) {
  if (claim.size <= 1 || world_size > 1) return;
  throw usage_error(claim.launcher + " started " + std::to_string(claim.size) + " ranks, but MPI sees one", "launch",
                    "use the mpirun of the MPI that msn is linked with (msn --version), or srun --mpi=pmix with a PMIx "
                    "that fits it");
}

}  // namespace msn
