// SPDX-License-Identifier: Apache-2.0
#include "train/gemm_setup.hpp"

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "checkpoint/manifest.hpp"
#include "kernels/instruction_set.hpp"
#include "model/gemm.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

struct Choice {
  GemmTable table;
  std::string why;
};

Choice tuned(const fs::path& file) {
  const TunedGemm tuned = read_tuned_gemm(file);
  if (supported(tuned.table) != tuned.table) {
    throw config_error("asks for back ends of matrix products that this LibTorch does not have", file.string(),
                       "write it anew with msn bench gemm --write");
  }
  if (tuned.torch != MSN_TORCH_VERSION) {
    log::warn("the back ends of matrix products were measured with LibTorch " + tuned.torch + ", this is " +
              MSN_TORCH_VERSION + ": measure again with msn bench gemm --write (" + file.string() + ")");
  }
  return {tuned.table, "as " + file.string() + " says"};
}

Choice asked_for(const fs::path& asked) {
  if (asked == "auto")
    return {supported(default_gemm_table(kernels::processor_vendor())), "the default for this processor"};
  for (const GemmBackend backend : {GemmBackend::mkl, GemmBackend::onednn}) {
    if (asked != name_of(backend)) continue;
    const GemmTable table = supported(gemm_table_of(backend));
    const bool whole = table == gemm_table_of(backend);
    return {table, whole ? "as configured" : "as far as this LibTorch has " + asked.string()};
  }
  return tuned(asked);
}

Choice choose(const fs::path& asked, const std::optional<StepSurroundings>& recorded) {
  const Choice choice = asked_for(asked);
  if (!recorded || recorded->processor != kernels::processor_name()) return choice;
  const std::optional<GemmTable> before = gemm_table_from(recorded->gemm);
  if (!before || supported(*before) != *before) return choice;
  if (*before == choice.table) return choice;
  return {*before, "as recorded; a new run would take " + to_text(choice.table) + ", " + choice.why};
}

/// A warning of the first rank that has another kind of processor than rank 0; empty: none has.
std::string other_processor(const World& world) {
  const std::vector<std::string> processors = world.gather(kernels::processor_name());
  const std::vector<std::string> hosts = world.gather(world.host());
  for (std::size_t rank = 1; rank < processors.size(); ++rank) {
    if (processors[rank] == processors[0]) continue;
    return "rank " + std::to_string(rank) + " on " + hosts[rank] + " has another kind of processor (" +
           processors[rank] + ") than rank 0 (" + processors[0] + "), whose back ends of matrix products all ranks use";
  }
  return {};
}

GemmSetup set_up(const World& world, const std::function<Choice()>& decide) {
  GemmSetup result;
  const std::string text = world.on_root([&] {
    const Choice choice = decide();
    result.choice = "matrix products by " + to_text(choice.table) + ", " + choice.why + " (" +
                    kernels::processor_name() + ")";
    return to_text(choice.table);
  });
  world.agree([&] {
    const GemmTable table = gemm_table_from(text).value();
    if (supported(table) != table)
      throw usage_error("this rank's LibTorch lacks back ends of matrix products that rank 0's has", text,
                        "start the same build of msn on all hosts");
    set_gemm(table);
  });
  result.warning = other_processor(world);
  return result;
}

}  // namespace

GemmSetup set_up_gemm(const World& world, const fs::path& asked, const std::optional<StepSurroundings>& recorded) {
  return set_up(world, [&] { return choose(asked, recorded); });
}

GemmSetup set_up_gemm_of_run(const World& world, const Config& config, const std::optional<fs::path>& checkpoint) {
  return set_up(world, [&] {
    std::optional<StepSurroundings> recorded;
    if (checkpoint) {
      const Manifest manifest = read_manifest(*checkpoint);
      const Config before = parse_config(manifest.facts.config_toml, checkpoint->string());
      if (before.runtime.gemm == config.runtime.gemm) recorded = surroundings_of(manifest);
    }
    return choose(config.runtime.gemm, recorded);
  });
}

void tell(const GemmSetup& setup) {
  log::info(setup.choice);
  if (!setup.warning.empty()) log::warn(setup.warning);
}

}  // namespace msn
