// SPDX-License-Identifier: Apache-2.0
#include "commands/eval.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "comm/world.hpp"
#include "commands/eval_finetune.hpp"
#include "commands/eval_knn.hpp"
#include "commands/eval_linear.hpp"
#include "commands/eval_logistic.hpp"

namespace msn {

Command make_eval_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("eval", "Measure how good the features of a network are");
  app->require_subcommand(1);
  const std::vector<Command> classifiers{make_eval_knn_command(*app), make_eval_logistic_command(*app),
                                         make_eval_linear_command(*app), make_eval_finetune_command(*app)};
  return {app, [classifiers](World& world) {
            const auto chosen = std::find_if(classifiers.begin(), classifiers.end(),
                                             [](const Command& command) { return command.app->parsed(); });
            MSN_CHECK(chosen != classifiers.end());
            chosen->run(world);
          }};
}

}  // namespace msn
