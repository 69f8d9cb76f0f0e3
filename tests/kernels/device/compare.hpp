// SPDX-License-Identifier: Apache-2.0
// What tests of the device's kernels ask of their results.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "support/kernels.hpp"

namespace msn::test {

/// What storing in T loses, of the number; and what arithmetic does, of numbers about 1.
template <class T>
struct Tolerance;
template <>
struct Tolerance<float> {
  static constexpr double stored = 2e-7, computed = 1e-5;
};
template <>
struct Tolerance<double> {
  static constexpr double stored = 1e-15, computed = 1e-12;
};
template <>
struct Tolerance<kernels::Bf16> {
  static constexpr double stored = 1.0 / 256, computed = 1e-5;
};

template <class T>
std::vector<double> numbers(const std::vector<T>& stored) {
  std::vector<double> result;
  for (const T& one : stored)
    result.push_back(value(one));
  return result;
}

/// Every number within relative * |want| + absolute; NaN where NaN is wanted.
template <class T>
void expect_near(const std::vector<T>& got, const std::vector<double>& want, double relative, double absolute,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double number = value(got[i]);
    if (std::isnan(want[i]) && std::isnan(number)) continue;
    ASSERT_NEAR(number, want[i], relative * std::abs(want[i]) + absolute) << what << " " << i;
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace msn::test
