// SPDX-License-Identifier: Apache-2.0
#include "commands/bench.hpp"
#include "commands/eval.hpp"
#include "commands/inspect.hpp"
#include "commands/pack.hpp"
#include "commands/run_guarded.hpp"
#include "commands/train.hpp"
#include "commands/version.hpp"

int main(int argc, char** argv) {
  const msn::Program program{
      .version = msn::version_text(),
      .commands =
          {
              msn::make_pack_command,
              msn::make_train_command,
              msn::make_eval_command,
              msn::make_inspect_command,
              msn::make_bench_command,
          },
  };
  return msn::run_guarded(argc, argv, program);
}
