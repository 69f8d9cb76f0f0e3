// SPDX-License-Identifier: Apache-2.0
// Hot loops are compiled once for each instruction set (cmake/InstructionSets.cmake) and chosen when the program runs.
#pragma once

#include <string>
#include <string_view>

namespace msn::kernels {

enum class InstructionSet { generic, avx2, avx512 };

/// The best that this processor can run.
InstructionSet instruction_set();
/// "generic", "AVX2" or "AVX-512".
std::string_view name_of(InstructionSet set);

enum class Vendor { intel, amd, other };
/// Who made this processor.
Vendor processor_vendor();

/// Whether this processor multiplies bfloat16 numbers itself (AVX512_BF16, which every one with AMX has too; the bf16
/// extension of an ARM one), so that matrix products of them are faster than those of float32.
bool has_native_bf16();

/// The vendor, the instruction set and "bf16" where that is native: "Intel, AVX-512, bf16".
std::string processor_name();

/// A form a set: the one of `set`. A set of another processor family has no form of its own.
template <class Function>
struct Forms {
  Function generic, avx2, avx512;
  Function of(InstructionSet set) const {
    return set == InstructionSet::avx512 ? avx512 : set == InstructionSet::avx2 ? avx2 : generic;
  }
};

}  // namespace msn::kernels

// MSN_DECLARE_FORMS(declaration): declares a function in the namespace of every set. MSN_FORMS(function): Forms of it.
#if defined(__x86_64__)
#define MSN_DECLARE_FORMS(...) \
  namespace generic {          \
  __VA_ARGS__                  \
  }                            \
  namespace avx2 {             \
  __VA_ARGS__                  \
  }                            \
  namespace avx512 {           \
  __VA_ARGS__                  \
  }
#define MSN_FORMS(...)                                                                                              \
  ::msn::kernels::Forms<decltype(&::msn::kernels::generic::__VA_ARGS__)> {                                          \
    &::msn::kernels::generic::__VA_ARGS__, &::msn::kernels::avx2::__VA_ARGS__, &::msn::kernels::avx512::__VA_ARGS__ \
  }
#else
#define MSN_DECLARE_FORMS(...) \
  namespace generic {          \
  __VA_ARGS__                  \
  }
#define MSN_FORMS(...)                                                            \
  ::msn::kernels::Forms<decltype(&::msn::kernels::generic::__VA_ARGS__)> {        \
    &::msn::kernels::generic::__VA_ARGS__, &::msn::kernels::generic::__VA_ARGS__, \
        &::msn::kernels::generic::__VA_ARGS__                                     \
  }
#endif
