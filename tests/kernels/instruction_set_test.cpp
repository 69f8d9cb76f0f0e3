// SPDX-License-Identifier: Apache-2.0
#include "kernels/instruction_set.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace msn {
namespace {

/// The words of the first line of /proc/cpuinfo that begins with one of `names`.
std::set<std::string> words_of_line(const std::set<std::string>& names) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::set<std::string> found;
    for (std::string word; words >> word;)
      found.insert(word);
    if (names.contains(line.substr(0, line.find_first_of("\t :")))) return found;
  }
  return {};
}

TEST(InstructionSet, IsWhatTheSystemSaysOfTheProcessor) {
  const std::set<std::string> have = words_of_line({"flags", "Features"});
  ASSERT_FALSE(have.empty());
  EXPECT_EQ(kernels::has_native_bf16(), have.contains("avx512_bf16") || have.contains("bf16"));
  const bool avx512 = have.contains("avx512f") && have.contains("avx512bw") && have.contains("avx512dq") &&
                      have.contains("avx512vl") && have.contains("avx512cd");
  EXPECT_EQ(kernels::instruction_set() == kernels::InstructionSet::avx512, avx512);
  EXPECT_EQ(kernels::instruction_set() == kernels::InstructionSet::generic, !(have.contains("avx2") || avx512));
}

TEST(InstructionSet, NamesTheProcessor) {
  const std::set<std::string> vendor = words_of_line({"vendor_id"});
  const kernels::Vendor want = vendor.contains("GenuineIntel")   ? kernels::Vendor::intel
                               : vendor.contains("AuthenticAMD") ? kernels::Vendor::amd
                                                                 : kernels::Vendor::other;
  EXPECT_EQ(kernels::processor_vendor(), want);
  const std::string name = kernels::processor_name();
  EXPECT_NE(name.find(", " + std::string(kernels::name_of(kernels::instruction_set()))), std::string::npos) << name;
  EXPECT_EQ(name.ends_with(", bf16"), kernels::has_native_bf16()) << name;
}

}  // namespace
}  // namespace msn
