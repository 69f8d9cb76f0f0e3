// SPDX-License-Identifier: Apache-2.0
#include "kernels/instruction_set.hpp"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

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

Vendor processor_vendor() {
#if defined(__x86_64__)
  if (__builtin_cpu_is("intel")) return Vendor::intel;
  if (__builtin_cpu_is("amd")) return Vendor::amd;
#endif
  return Vendor::other;
}

bool has_native_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#elif defined(__aarch64__) && defined(__linux__)
  return (::getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0;
#else
  return false;
#endif
}

std::string processor_name() {
  const Vendor vendor = processor_vendor();
  const std::string maker = vendor == Vendor::intel ? "Intel" : vendor == Vendor::amd ? "AMD" : "other";
  return maker + ", " + std::string(name_of(instruction_set())) + (has_native_bf16() ? ", bf16" : "");
}

}  // namespace msn::kernels
