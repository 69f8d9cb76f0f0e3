// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/reduce.hpp"

#include <limits>

#include "kernels/device/compare.hpp"
#include "kernels/device/device_memory.hpp"
#include "kernels/reduce.hpp"

namespace msn {
namespace {

using test::DeviceArray;

template <class T>
double on_device(const std::vector<T>& values, std::int64_t begin = 0) {
  const DeviceArray<T> in(values);
  const DeviceArray<double> result(std::vector<double>{-1.0});
  const std::int64_t count = static_cast<std::int64_t>(values.size()) - begin;
  const DeviceArray<double> scratch(kernels::device::sum_of_squares_scratch(count));
  kernels::device::sum_of_squares<T>(nullptr, in.data() + begin, count, result.data(), scratch.data());
  return result.host()[0];
}

template <class T>
void check_all() {
  for (const std::int64_t count : {0, 1, 3, 4096, 4097, 200003}) {
    const auto values = test::stored<T>(test::uniform(count, -3, 3, 1));
    long double want = 0;
    for (const T one : values)
      want += static_cast<long double>(one) * one;
    const double got = on_device(values);
    EXPECT_NEAR(got, static_cast<double>(want), 1e-13 * static_cast<double>(want)) << count;
    EXPECT_NEAR(got, kernels::sum_of_squares<T>(values), 1e-13 * got) << count;
    EXPECT_EQ(got, on_device(values)) << count;
  }
}
TEST(DeviceSumOfSquares, InFloat32) {
  check_all<float>();
}
TEST(DeviceSumOfSquares, InFloat64) {
  check_all<double>();
}

TEST(DeviceSumOfSquares, OfValuesThatBeginAnywhere) {
  const auto values = test::stored<float>(test::uniform(9001, -3, 3, 2));
  double want = 0;
  for (std::size_t i = 1; i < values.size(); ++i)
    want += static_cast<double>(values[i]) * values[i];
  EXPECT_NEAR(on_device(values, 1), want, 1e-12 * want);
}

TEST(DeviceSumOfSquares, IsNotFiniteIfAnyValueIsNotAndHoldsWhatFloat32DoesNot) {
  for (const float one : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto values = test::stored<float>(test::uniform(9001, -3, 3, 3));
    values.back() = one;
    EXPECT_FALSE(std::isfinite(on_device(values)));
  }
  EXPECT_NEAR(on_device(std::vector<float>(5, 1e30F)), 5e60, 1e54);
}

}  // namespace
}  // namespace msn
