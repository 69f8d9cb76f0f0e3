// SPDX-License-Identifier: Apache-2.0
#include "comm/gpus.hpp"
#include "commands/bench.hpp"
#include "commands/eval.hpp"
#include "commands/export.hpp"
#include "commands/features.hpp"
#include "commands/import.hpp"
#include "commands/inspect.hpp"
#include "commands/pack.hpp"
#include "commands/plan.hpp"
#include "commands/report.hpp"
#include "commands/run_guarded.hpp"
#include "commands/self_test.hpp"
#include "commands/subset.hpp"
#include "commands/train.hpp"
#include "commands/verify.hpp"
#include "commands/version.hpp"
#include "commands/views.hpp"

int main(int argc, char** argv) {
  const msn::Program program{
      .version = msn::version_text(msn::gpu_library_versions()),
      .commands =
          {
              msn::make_pack_command,
              msn::make_train_command,
              msn::make_eval_command,
              msn::make_export_command,
              msn::make_import_command,
              msn::make_features_command,
              msn::make_inspect_command,
              msn::make_bench_command,
              msn::make_verify_command,
              msn::make_views_command,
              msn::make_subset_command,
              msn::make_plan_command,
              msn::make_report_command,
          },
      .self_test = msn::make_self_test,
  };
  return msn::run_guarded(argc, argv, program);
}
