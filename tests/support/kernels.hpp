// SPDX-License-Identifier: Apache-2.0
// Made-up numbers in every storage type, and the instruction sets of this machine, for tests of kernels.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::test {

/// Those that this processor can run, the portable one first.
inline std::vector<kernels::InstructionSet> instruction_sets() {
  std::vector<kernels::InstructionSet> sets{kernels::InstructionSet::generic};
  const kernels::InstructionSet best = kernels::instruction_set();
  if (best != kernels::InstructionSet::generic) sets.push_back(kernels::InstructionSet::avx2);
  if (best == kernels::InstructionSet::avx512) sets.push_back(best);
  return sets;
}

inline std::vector<double> uniform(std::int64_t n, double low, double high, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> draw(low, high);
  std::vector<double> values(static_cast<std::size_t>(n));
  for (double& value : values)
    value = draw(generator);
  return values;
}

inline double value(double stored) {
  return stored;
}
inline double value(kernels::Bf16 stored) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(stored.bits) << 16);
}

/// The bfloat16 that is nearest to a finite value, of two the one whose last bit is 0.
inline double nearest_bf16(float number) {
  if (number == 0) return number;
  const double unit = std::exp2(std::max(std::ilogb(number), -126) - 7);
  return std::nearbyint(number / unit) * unit;
}

/// Bf16 by cutting off: any rounding will do for made-up numbers.
template <class T>
std::vector<T> stored(const std::vector<double>& values) {
  std::vector<T> result;
  for (const double number : values) {
    if constexpr (std::is_same_v<T, kernels::Bf16>) {
      result.push_back({static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(number)) >> 16)});
    } else {
      result.push_back(static_cast<T>(number));
    }
  }
  return result;
}

}  // namespace msn::test
