// SPDX-License-Identifier: Apache-2.0
// Which back ends compute the matrix products of this job, decided once, at its start.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/surroundings.hpp"

namespace msn {

/// What a set-up has to say.
struct GemmSetup {
  std::string choice;   ///< Which back ends and why, on rank 0.
  std::string warning;  ///< Of ranks with other processors; empty: none.
};
/// Logs it. Apart from the set-up because a run may be refused that must leave its log as it is.
void tell(const GemmSetup& setup);

/// Has the matrix products of all ranks computed by the back ends that `asked`, runtime.gemm, names on rank 0. With
/// `recorded`, the surroundings of what goes on or is done again (looked at on rank 0 only), by those that are recorded
/// there, if it was the same kind of processor. All ranks call, before the first product.
/// Throws AgreedError (configuration) for a file that is not one of msn bench gemm for this kind of processor.
GemmSetup set_up_gemm(const World& world, const std::filesystem::path& asked,
                      const std::optional<StepSurroundings>& recorded = std::nullopt);

/// set_up_gemm() for a run that begins, or goes on from `checkpoint`: with what the checkpoint's run recorded, unless
/// runtime.gemm has changed since.
GemmSetup set_up_gemm_of_run(const World& world, const Config& config,
                             const std::optional<std::filesystem::path>& checkpoint);

}  // namespace msn
