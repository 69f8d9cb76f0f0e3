// SPDX-License-Identifier: Apache-2.0
#include "kernels/instruction_set.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace msn {
namespace {

/// What Linux says that the processor has.
std::set<std::string> features() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    std::istringstream words(line);
    std::set<std::string> found;
    for (std::string word; words >> word;)
      found.insert(word);
    return found;
  }
  return {};
}

TEST(InstructionSet, IsWhatTheSystemSaysOfTheProcessor) {
  const std::set<std::string> have = features();
  ASSERT_FALSE(have.empty());
  EXPECT_EQ(kernels::has_native_bf16(), have.contains("avx512_bf16") || have.contains("bf16"));
  const bool avx512 = have.contains("avx512f") && have.contains("avx512bw") && have.contains("avx512dq") &&
                      have.contains("avx512vl") && have.contains("avx512cd");
  EXPECT_EQ(kernels::instruction_set() == kernels::InstructionSet::avx512, avx512);
  EXPECT_EQ(kernels::instruction_set() == kernels::InstructionSet::generic, !(have.contains("avx2") || avx512));
}

}  // namespace
}  // namespace msn
