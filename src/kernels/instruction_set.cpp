// SPDX-License-Identifier: Apache-2.0
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

InstructionSet instruction_set() {
#if defined(__x86_64__)
  static const InstructionSet best = __builtin_cpu_supports("x86-64-v4")   ? InstructionSet::avx512
                                     : __builtin_cpu_supports("x86-64-v3") ? InstructionSet::avx2
                                                                           : InstructionSet::generic;
  return best;
#else
  return InstructionSet::generic;
#endif
}

std::string_view name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx512: return "AVX-512";
    case InstructionSet::avx2: return "AVX2";
    case InstructionSet::generic: return "generic";
  }
  return "generic";
}

}  // namespace msn::kernels
