// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect.hpp"
#include "commands/run_guarded.hpp"
#include "commands/version.hpp"

int main(int argc, char** argv) {
  const msn::Program program{
      .version = msn::version_text(),
      .commands =
          {
              msn::make_inspect_command,
          },
  };
  return msn::run_guarded(argc, argv, program);
}
