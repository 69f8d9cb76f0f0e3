// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/layer_norm.hpp"

#include <limits>

#include "kernels/device/compare.hpp"
#include "kernels/device/device_memory.hpp"

namespace msn {
namespace {

using kernels::Accumulate;
using kernels::Bf16;
using test::DeviceArray;
using test::Tolerance;

constexpr double kEps = 1e-6;

struct Options {
  bool branch = true, row_scale = true, skip = true, skip_rows = false, branch_bias_gradient = true;
};

template <class T>
struct Case {
  using A = Accumulate<T>;

  Case(std::int64_t rows_, std::int64_t width_, Options options_ = {})
      : rows(rows_),
        width(width_),
        options(options_),
        x(test::stored<T>(test::uniform(rows * width, -2, 3, 1))),
        branch(test::stored<T>(test::uniform(rows * width, -1, 1, 2))),
        dnormed(test::stored<T>(test::uniform(rows * width, -1, 1, 3))),
        dskip(test::stored<T>(test::uniform(rows * width, -1, 1, 4))),
        branch_bias(test::stored<A>(test::uniform(width, -1, 1, 5))),
        row_scale(test::stored<A>(test::uniform(rows, 0, 2, 6))),
        weight(test::stored<A>(test::uniform(width, 0.5, 1.5, 7))),
        bias(test::stored<A>(test::uniform(width, -1, 1, 8))) {
    for (std::int64_t row = 0; row < rows; ++row)
      skip_row.push_back(row % 3 == 0 ? rows - 1 - row : -1);
  }

  std::int64_t rows, width;
  Options options;
  std::vector<T> x, branch, dnormed, dskip;
  std::vector<A> branch_bias, row_scale, weight, bias;
  std::vector<std::int64_t> skip_row;
};

template <class T>
struct Results {
  using A = Accumulate<T>;
  std::vector<T> sum, normed, again, dx, dbranch;
  std::vector<A> mean, rstd, dweight, dbias, dbranch_bias;
};

template <class T>
kernels::AddLayerNorm<T> forward_arguments(const Options& options, std::int64_t width, const T* x, const T* branch,
                                           const Accumulate<T>* branch_bias, const Accumulate<T>* row_scale) {
  kernels::AddLayerNorm<T> a{};
  a.width = width;
  a.x = x;
  a.eps = static_cast<Accumulate<T>>(kEps);
  if (!options.branch) return a;
  a.branch = branch;
  a.branch_bias = branch_bias;
  a.row_scale = options.row_scale ? row_scale : nullptr;
  return a;
}

template <class T>
Results<T> on_device(const Case<T>& c) {
  using A = Accumulate<T>;
  const std::int64_t n = c.rows * c.width;
  const DeviceArray<T> x(c.x), branch(c.branch), dnormed(c.dnormed), dskip(c.dskip);
  const DeviceArray<A> branch_bias(c.branch_bias), row_scale(c.row_scale), weight(c.weight), bias(c.bias);
  const DeviceArray<std::int64_t> skip_row(c.skip_row);
  const DeviceArray<T> sum(n), normed(n), again(n), dx(n), dbranch(n);
  const DeviceArray<A> mean(c.rows), rstd(c.rows);
  const DeviceArray<A> dweight(std::vector<A>(c.weight.size(), 1)), dbias(std::vector<A>(c.weight.size(), 2)),
      dbranch_bias(std::vector<A>(c.weight.size(), 3));
  const DeviceArray<A> scratch(kernels::device::layer_norm_scratch(c.rows, c.width));
  auto forward =
      forward_arguments<T>(c.options, c.width, x.data(), branch.data(), branch_bias.data(), row_scale.data());
  forward.sum = sum.data();
  forward.weight = weight.data();
  forward.bias = bias.data();
  forward.mean = mean.data();
  forward.rstd = rstd.data();
  forward.normed = normed.data();
  kernels::device::add_layer_norm<T>(nullptr, c.rows, forward);
  kernels::device::layer_norm_again<T>(
      nullptr, c.rows, {c.width, sum.data(), mean.data(), rstd.data(), weight.data(), bias.data(), again.data()});
  kernels::device::layer_norm_backward<T>(
      nullptr, c.rows,
      {c.width, dnormed.data(), sum.data(), mean.data(), rstd.data(), weight.data(),
       c.options.skip ? dskip.data() : nullptr, c.options.skip_rows ? skip_row.data() : nullptr, dx.data(),
       c.options.row_scale ? row_scale.data() : nullptr, dbranch.data()},
      dweight.data(), dbias.data(), c.options.branch_bias_gradient ? dbranch_bias.data() : nullptr, scratch.data());
  return {sum.host(),  normed.host(), again.host(),   dx.host(),    dbranch.host(),
          mean.host(), rstd.host(),   dweight.host(), dbias.host(), dbranch_bias.host()};
}

template <class T>
Results<T> on_host(const Case<T>& c) {
  using A = Accumulate<T>;
  Results<T> r;
  for (auto* all : {&r.sum, &r.normed, &r.again, &r.dx, &r.dbranch})
    all->resize(c.x.size());
  r.mean.resize(c.row_scale.size());
  r.rstd.resize(c.row_scale.size());
  r.dweight.assign(c.weight.size(), A(1));
  r.dbias.assign(c.weight.size(), A(2));
  r.dbranch_bias.assign(c.weight.size(), A(3));
  auto forward =
      forward_arguments<T>(c.options, c.width, c.x.data(), c.branch.data(), c.branch_bias.data(), c.row_scale.data());
  forward.sum = r.sum.data();
  forward.weight = c.weight.data();
  forward.bias = c.bias.data();
  forward.mean = r.mean.data();
  forward.rstd = r.rstd.data();
  forward.normed = r.normed.data();
  kernels::add_layer_norm<T>(c.rows, forward);
  kernels::layer_norm_again<T>(
      c.rows, {c.width, r.sum.data(), r.mean.data(), r.rstd.data(), c.weight.data(), c.bias.data(), r.again.data()});
  kernels::layer_norm_backward<T>(
      c.rows,
      {c.width, c.dnormed.data(), r.sum.data(), r.mean.data(), r.rstd.data(), c.weight.data(),
       c.options.skip ? c.dskip.data() : nullptr, c.options.skip_rows ? c.skip_row.data() : nullptr, r.dx.data(),
       c.options.row_scale ? c.row_scale.data() : nullptr, r.dbranch.data()},
      r.dweight.data(), r.dbias.data(), c.options.branch_bias_gradient ? r.dbranch_bias.data() : nullptr);
  return r;
}

/// As the comments of kernels/layer_norm.hpp say, in double, from the sums that were stored.
template <class T>
void compare_with_formula(const Case<T>& c, const Results<T>& got) {
  constexpr double stored = Tolerance<T>::stored, computed = Tolerance<T>::computed;
  const auto width = static_cast<std::size_t>(c.width);
  std::vector<double> sum(c.x.size()), normed(sum), dx(sum), dbranch(sum);
  std::vector<double> means, rstds, dweight(width, 1), dbias(width, 2), dbranch_bias(width, 3);
  for (std::size_t row = 0; row < static_cast<std::size_t>(c.rows); ++row) {
    const double scale = c.options.row_scale ? c.row_scale[row] : 1;
    const std::int64_t from = !c.options.skip       ? -1
                              : c.options.skip_rows ? c.skip_row[row]
                                                    : static_cast<std::int64_t>(row);
    double mean = 0, variance = 0, total = 0, along = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t at = row * width + i;
      sum[at] = test::value(c.x[at]) + (c.options.branch ? scale * (test::value(c.branch[at]) + c.branch_bias[i]) : 0);
      mean += test::value(got.sum[at]) / static_cast<double>(width);
    }
    for (std::size_t i = 0; i < width; ++i)
      variance += std::pow(test::value(got.sum[row * width + i]) - mean, 2) / static_cast<double>(width);
    const double rstd = 1 / std::sqrt(variance + kEps);
    means.push_back(mean);
    rstds.push_back(rstd);
    const auto unit = [&](std::size_t i) { return (test::value(got.sum[row * width + i]) - mean) * rstd; };
    for (std::size_t i = 0; i < width; ++i) {
      const double gradient = test::value(c.dnormed[row * width + i]);
      normed[row * width + i] = unit(i) * c.weight[i] + c.bias[i];
      total += gradient * c.weight[i] / static_cast<double>(width);
      along += gradient * c.weight[i] * unit(i) / static_cast<double>(width);
      dweight[i] += gradient * unit(i);
      dbias[i] += gradient;
    }
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t at = row * width + i;
      const double skipped = from < 0 ? 0 : test::value(c.dskip[static_cast<std::size_t>(from) * width + i]);
      dx[at] = rstd * (test::value(c.dnormed[at]) * c.weight[i] - total - unit(i) * along) + skipped;
      dbranch[at] = scale * dx[at];
      if (c.options.branch_bias_gradient) dbranch_bias[i] += scale * dx[at];
    }
  }
  const double of_columns = static_cast<double>(c.rows) * computed;
  test::expect_near(got.sum, sum, stored, computed, "sum");
  test::expect_near(got.mean, means, 0, computed, "mean");
  test::expect_near(got.rstd, rstds, computed, computed, "rstd");
  test::expect_near(got.normed, normed, stored, computed, "normed");
  EXPECT_TRUE(test::same_bits(got.again, got.normed));
  test::expect_near(got.dx, dx, stored, computed, "dx");
  test::expect_near(got.dbranch, dbranch, 2 * stored, computed, "dbranch");
  test::expect_near(got.dweight, dweight, 0, of_columns, "dweight");
  test::expect_near(got.dbias, dbias, 0, of_columns, "dbias");
  test::expect_near(got.dbranch_bias, dbranch_bias, 0, of_columns, "dbranch_bias");
}

template <class T>
void compare_with_host(const Case<T>& c, const Results<T>& got) {
  constexpr double stored = Tolerance<T>::stored, computed = Tolerance<T>::computed;
  const Results<T> host = on_host(c);
  const double of_columns = static_cast<double>(c.rows) * computed;
  test::expect_near(got.sum, test::numbers(host.sum), 2 * stored, computed, "sum");
  test::expect_near(got.mean, test::numbers(host.mean), 0, computed, "mean");
  test::expect_near(got.rstd, test::numbers(host.rstd), computed, computed, "rstd");
  // A sum that is rounded the other way moves its row, by less than a step of storage.
  test::expect_near(got.normed, test::numbers(host.normed), 2 * stored, computed + stored, "normed");
  test::expect_near(got.dx, test::numbers(host.dx), 2 * stored, computed + stored, "dx");
  test::expect_near(got.dbranch, test::numbers(host.dbranch), 3 * stored, computed + 2 * stored, "dbranch");
  test::expect_near(got.dweight, test::numbers(host.dweight), stored, of_columns, "dweight");
  test::expect_near(got.dbias, test::numbers(host.dbias), 0, of_columns, "dbias");
  test::expect_near(got.dbranch_bias, test::numbers(host.dbranch_bias), stored, of_columns, "dbranch_bias");
}

/// Widths that are no vector and that are several; one row, blocks of rows and a part; columns that fill shared memory.
template <class T>
void check_all() {
  const std::pair<std::int64_t, std::int64_t> shapes[] = {{131, 37}, {1, 3}, {1, 40}, {70, 264}, {33, 7000}};
  for (const auto& [rows, width] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(width));
    const Case<T> c(rows, width);
    const Results<T> got = on_device(c);
    compare_with_formula(c, got);
    compare_with_host(c, got);
  }
}
TEST(DeviceLayerNorm, InFloat32) {
  check_all<float>();
}
TEST(DeviceLayerNorm, InFloat64) {
  check_all<double>();
}
TEST(DeviceLayerNorm, InBfloat16) {
  check_all<Bf16>();
}

template <class T>
void check_options() {
  const Options all[] = {{false, false, false, false, false},
                         {true, false, true, true, true},
                         {true, true, true, true, false},
                         {false, false, true, false, true}};
  for (const Options& options : all) {
    const Case<T> c(65, 48, options);
    const Results<T> got = on_device(c);
    compare_with_formula(c, got);
    compare_with_host(c, got);
  }
}
TEST(DeviceLayerNorm, WithoutBranchScaleOrSkipAndWithRowsThatHaveOne) {
  check_options<float>();
  check_options<double>();
  check_options<Bf16>();
}

TEST(DeviceLayerNorm, HasTheSameBitsInEveryRunAndInPlace) {
  const Case<float> c(131, 40);
  const Results<float> one = on_device(c), two = on_device(c);
  EXPECT_TRUE(test::same_bits(one.dweight, two.dweight));
  EXPECT_TRUE(test::same_bits(one.dbranch_bias, two.dbranch_bias));
  EXPECT_TRUE(test::same_bits(one.dx, two.dx));

  const DeviceArray<float> x(c.x), in_place(c.branch), branch_bias(c.branch_bias), row_scale(c.row_scale),
      weight(c.weight), bias(c.bias), mean(c.rows), rstd(c.rows), normed(c.rows * c.width);
  kernels::device::add_layer_norm<float>(
      nullptr, c.rows,
      {c.width, x.data(), in_place.data(), branch_bias.data(), row_scale.data(), in_place.data(), weight.data(),
       bias.data(), static_cast<float>(kEps), mean.data(), rstd.data(), normed.data()});
  EXPECT_TRUE(test::same_bits(in_place.host(), one.sum));
  // dx over dnormed, then over dskip.
  for (const bool over_skip : {false, true}) {
    const DeviceArray<float> dnormed(c.dnormed), dskip(c.dskip), dweight(c.width), dbias(c.width),
        scratch(kernels::device::layer_norm_scratch(c.rows, c.width));
    float* const dx = over_skip ? dskip.data() : dnormed.data();
    kernels::device::layer_norm_backward<float>(nullptr, c.rows,
                                                {c.width, dnormed.data(), in_place.data(), mean.data(), rstd.data(),
                                                 weight.data(), dskip.data(), nullptr, dx, nullptr, nullptr},
                                                dweight.data(), dbias.data(), nullptr, scratch.data());
    EXPECT_TRUE(test::same_bits(over_skip ? dskip.host() : dnormed.host(), one.dx)) << over_skip;
  }
}

TEST(DeviceLayerNorm, KeepsWhatIsNotFiniteVisible) {
  Case<Bf16> c(40, 48);
  c.x[5 * 48 + 7] = {0x7fc0};        // NaN
  c.dnormed[9 * 48 + 3] = {0x7f80};  // Infinity
  const Results<Bf16> got = on_device(c);
  for (std::size_t i = 0; i < 48; ++i) {
    EXPECT_TRUE(std::isnan(test::value(got.normed[5 * 48 + i])));
    EXPECT_TRUE(std::isnan(got.dweight[i]));
    EXPECT_FALSE(std::isfinite(test::value(got.dx[9 * 48 + i])));
    EXPECT_TRUE(std::isfinite(test::value(got.normed[6 * 48 + i])));
  }
  EXPECT_FALSE(std::isfinite(got.dbias[3]));
}

}  // namespace
}  // namespace msn
