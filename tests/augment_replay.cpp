// SPDX-License-Identifier: Apache-2.0
// Repeats the decoding and the view operations recorded in a file like tests/golden/augment.h5 and says what differs.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/error.hpp"
#include "data/replay.hpp"

namespace {

bool print(const msn::test::Replay& replay) {
  std::printf("  %-28s %6zu cases  %6zu differ  %10llu bytes differ\n", replay.operation.c_str(), replay.cases,
              replay.different, static_cast<unsigned long long>(replay.differing_bytes));
  for (const std::string& what : replay.first_few)
    std::printf("      %s\n", msn::one_line(what).c_str());
  return replay.different == 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Compares msn's views with Pillow's and torchvision's, byte for byte", "augment_replay");
  std::string path;
  app.add_option("FILE", path, "Recording, laid out like tests/golden/augment.h5")->required();
  app.footer(
      "Exit code 0: nothing differs; 1: something does; 74: the file cannot be read.\n"
      "Example: augment_replay tests/golden/augment.h5");
  CLI11_PARSE(app, argc, argv);
  try {
    const msn::h5::File file(path, msn::h5::Mode::read);
    bool same = print(msn::test::replay_decoding(file));
    for (const msn::PixelKernels* kernels : msn::test::all_kernels()) {
      std::printf("kernels: %s\n", std::string(kernels->name).c_str());
      for (const msn::test::Replay& replay : msn::test::replay_operations(file, *kernels))
        same = print(replay) && same;
    }
    std::printf("%s\n", same ? "PASS: 0 differing bytes" : "FAIL");
    return same ? 0 : 1;
  } catch (const msn::Error& error) {
    std::fprintf(stderr, "augment_replay: %s\n", error.what());
    return static_cast<int>(error.code());
  }
}
