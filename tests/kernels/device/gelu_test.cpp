// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/gelu.hpp"

#include "kernels/device/compare.hpp"
#include "kernels/device/device_memory.hpp"
#include "kernels/gelu.hpp"

namespace msn {
namespace {

using kernels::Accumulate;
using kernels::Bf16;
using test::DeviceArray;
using test::Tolerance;

template <class T>
struct Results {
  std::vector<T> activated, again, dx;
  std::vector<Accumulate<T>> dbias;
};

template <class T>
struct Case {
  using A = Accumulate<T>;

  Case(std::int64_t rows_, std::int64_t width_)
      : rows(rows_),
        width(width_),
        x(test::stored<T>(test::uniform(rows * width, -4, 4, 1))),
        dactivated(test::stored<T>(test::uniform(rows * width, -1, 1, 2))),
        bias(test::stored<A>(test::uniform(width, -1, 1, 3))) {}

  std::int64_t rows, width;
  std::vector<T> x, dactivated;
  std::vector<A> bias;

  Results<T> on_device() const {
    const DeviceArray<T> in(x), out(rows * width), gradients(dactivated), dx(rows * width), again(rows * width);
    const DeviceArray<A> added(bias), dbias(std::vector<A>(bias.size(), 1)),
        scratch(kernels::device::gelu_scratch(rows, width));
    kernels::device::bias_gelu<T>(nullptr, rows, width, in.data(), added.data(), out.data());
    kernels::device::bias_gelu_backward<T>(nullptr, rows, width, gradients.data(), in.data(), added.data(), dx.data(),
                                           dbias.data(), again.data(), scratch.data());
    return {out.host(), again.host(), dx.host(), dbias.host()};
  }
  Results<T> on_host() const {
    Results<T> r{x, x, x, std::vector<A>(bias.size(), 1)};
    kernels::bias_gelu<T>(rows, width, x.data(), bias.data(), r.activated.data());
    kernels::bias_gelu_backward<T>(rows, width, dactivated.data(), x.data(), bias.data(), r.dx.data(), r.dbias.data(),
                                   r.again.data());
    return r;
  }
};

template <class T>
void check_all() {
  // What stands for Φ in bfloat16 is within 3e-4 of it (row_math.hpp).
  constexpr double stored = Tolerance<T>::stored, computed = Tolerance<T>::computed;
  constexpr double function = std::is_same_v<T, Bf16> ? 2e-3 : computed;
  const std::pair<std::int64_t, std::int64_t> shapes[] = {{131, 37}, {1, 1}, {1, 40}, {70, 264}, {1100, 16}};
  for (const auto& [rows, width] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(width));
    const Case<T> c(rows, width);
    const Results<T> got = c.on_device();
    std::vector<double> activated, dx, dbias(static_cast<std::size_t>(width), 1);
    for (std::size_t at = 0; at < c.x.size(); ++at) {
      const std::size_t column = at % static_cast<std::size_t>(width);
      const double x = test::value(c.x[at]) + c.bias[column];
      const double cumulative = 0.5 * std::erfc(-x / std::sqrt(2.0));
      const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI);
      activated.push_back(x * cumulative);
      dx.push_back(test::value(c.dactivated[at]) * (cumulative + x * density));
      dbias[column] += dx.back();
    }
    test::expect_near(got.activated, activated, stored, function, "activated");
    EXPECT_TRUE(test::same_bits(got.again, got.activated));
    test::expect_near(got.dx, dx, stored, function, "dx");
    test::expect_near(got.dbias, dbias, 0, static_cast<double>(rows) * function, "dbias");

    const Results<T> host = c.on_host();
    test::expect_near(got.activated, test::numbers(host.activated), 2 * stored, computed, "activated");
    test::expect_near(got.dx, test::numbers(host.dx), 2 * stored, computed, "dx");
    test::expect_near(got.dbias, test::numbers(host.dbias), 0, static_cast<double>(rows) * computed, "dbias");
  }
}
TEST(DeviceGelu, InFloat32) {
  check_all<float>();
}
TEST(DeviceGelu, InFloat64) {
  check_all<double>();
}
TEST(DeviceGelu, InBfloat16) {
  check_all<Bf16>();
}

TEST(DeviceGelu, HasTheSameBitsInEveryRunInPlaceAndWithoutTheActivation) {
  const Case<Bf16> c(131, 40);
  const Results<Bf16> one = c.on_device(), two = c.on_device();
  EXPECT_TRUE(test::same_bits(one.dbias, two.dbias));
  EXPECT_TRUE(test::same_bits(one.dx, two.dx));
  const DeviceArray<float> bias(c.bias), dbias(std::vector<float>(c.bias.size(), 1)),
      scratch(kernels::device::gelu_scratch(c.rows, c.width));
  for (const bool activate : {false, true}) {
    const DeviceArray<Bf16> x(c.x), gradients(c.dactivated);
    kernels::device::bias_gelu_backward<Bf16>(nullptr, c.rows, c.width, gradients.data(), x.data(), bias.data(),
                                              gradients.data(), dbias.data(), activate ? x.data() : nullptr,
                                              scratch.data());
    EXPECT_TRUE(test::same_bits(gradients.host(), one.dx));
    EXPECT_TRUE(test::same_bits(x.host(), activate ? one.activated : c.x));
  }
}

TEST(DeviceGelu, KeepsWhatIsNotANumberVisible) {
  Case<float> c(40, 37);
  c.x[3 * 37 + 4] = NAN;
  c.dactivated[5 * 37 + 6] = NAN;
  const Results<float> got = c.on_device();
  EXPECT_TRUE(std::isnan(got.activated[3 * 37 + 4]));
  EXPECT_TRUE(std::isnan(got.dx[3 * 37 + 4]));
  EXPECT_TRUE(std::isnan(got.dx[5 * 37 + 6]));
  for (std::size_t i = 0; i < 37; ++i)
    EXPECT_EQ(std::isnan(got.dbias[i]), i == 4 || i == 6) << i;
}

}  // namespace
}  // namespace msn
