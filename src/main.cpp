// SPDX-License-Identifier: Apache-2.0
#include "commands/run_guarded.hpp"
#include "commands/version.hpp"

int main(int argc, char** argv) {
  return msn::run_guarded(argc, argv, {.version = msn::version_text(), .commands = {}});
}
