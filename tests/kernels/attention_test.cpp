// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "support/kernels.hpp"

namespace msn {
namespace {

using kernels::Accumulate;
using kernels::AttentionShape;
using kernels::Bf16;
using kernels::InstructionSet;
using kernels::RowsOf;

std::int64_t width_of(const AttentionShape& shape) {
  return shape.heads * shape.head_width;
}

/// What goes in: q, k and v side by side in rows with a gap behind them, or q alone where its rows are not those of k.
template <class T>
struct Input {
  AttentionShape shape;
  std::int64_t stride, q_stride;
  std::vector<T> qkv, q_alone, dout;
  std::vector<Accumulate<T>> biases;

  Input(const AttentionShape& of, double greatest)
      : shape(of), stride(3 * width_of(of) + 5), q_stride(of.queries == of.keys ? stride : width_of(of) + 3) {
    const std::int64_t query_rows = of.images * of.queries;
    qkv = test::stored<T>(test::uniform(of.images * of.keys * stride, -greatest, greatest, 1));
    if (of.queries != of.keys) q_alone = test::stored<T>(test::uniform(query_rows * q_stride, -greatest, greatest, 2));
    dout = test::stored<T>(test::uniform(query_rows * width_of(of), -1, 1, 3));
    biases = test::stored<Accumulate<T>>(test::uniform(3 * width_of(of), -1, 1, 4));
  }
  RowsOf<const T> q() const { return {q_alone.empty() ? qkv.data() : q_alone.data(), q_stride}; }
  RowsOf<const T> k() const { return {qkv.data() + width_of(shape), stride}; }
  RowsOf<const T> v() const { return {qkv.data() + 2 * width_of(shape), stride}; }
  const Accumulate<T>* bias(int which) const { return biases.data() + which * width_of(shape); }
};

/// What comes out, as dense matrices in double.
struct Output {
  std::vector<double> out, log_sums, dq, dk, dv, dbiases;
};

template <class T>
std::vector<double> dense(RowsOf<const T> rows, std::int64_t count, std::int64_t width) {
  std::vector<double> values;
  for (std::int64_t row = 0; row < count; ++row)
    for (std::int64_t i = 0; i < width; ++i)
      values.push_back(test::value(rows.data[row * rows.stride + i]));
  return values;
}

template <class T>
Output run(const Input<T>& in, InstructionSet set) {
  const AttentionShape& shape = in.shape;
  const std::int64_t width = width_of(shape), query_rows = shape.images * shape.queries;
  std::vector<T> out(in.dout.size());
  std::vector<Accumulate<T>> log_sums(static_cast<std::size_t>(query_rows * shape.heads));
  std::vector<Accumulate<T>> dbiases(in.biases.size(), 1);
  kernels::attention<T>(shape, in.q(), in.k(), in.v(), in.bias(0), in.bias(1), in.bias(2), {out.data(), width},
                        log_sums.data(), set);
  // The gradients overwrite what they are the gradients of.
  std::vector<T> qkv = in.qkv, q_alone = in.q_alone;
  const RowsOf<T> q{q_alone.empty() ? qkv.data() : q_alone.data(), in.q_stride};
  const RowsOf<T> k{qkv.data() + width, in.stride}, v{qkv.data() + 2 * width, in.stride};
  kernels::attention_backward<T>(shape, {q.data, q.stride}, {k.data, k.stride}, {v.data, v.stride}, in.bias(0),
                                 in.bias(1), in.bias(2), {in.dout.data(), width}, log_sums.data(), q, k, v,
                                 dbiases.data(), dbiases.data() + width, dbiases.data() + 2 * width, set);
  return {dense<T>({out.data(), width}, query_rows, width),
          std::vector<double>(log_sums.begin(), log_sums.end()),
          dense<T>({q.data, q.stride}, query_rows, width),
          dense<T>({k.data, k.stride}, shape.images * shape.keys, width),
          dense<T>({v.data, v.stride}, shape.images * shape.keys, width),
          std::vector<double>(dbiases.begin(), dbiases.end())};
}

/// The same in double arithmetic, query by query.
template <class T>
Output expected(const Input<T>& in) {
  const AttentionShape& shape = in.shape;
  const std::int64_t width = width_of(shape), n = shape.head_width;
  const double scale = 1 / std::sqrt(static_cast<double>(n));
  std::vector<double> operands[3] = {dense(in.q(), shape.images * shape.queries, width),
                                     dense(in.k(), shape.images * shape.keys, width),
                                     dense(in.v(), shape.images * shape.keys, width)};
  for (int which = 0; which < 3; ++which)
    for (std::size_t i = 0; i < operands[which].size(); ++i)
      operands[which][i] += test::value(in.bias(which)[i % static_cast<std::size_t>(width)]);
  const std::vector<double> dout = dense<T>({in.dout.data(), width}, shape.images * shape.queries, width);
  Output want{std::vector<double>(dout.size()),        {},
              std::vector<double>(dout.size()),        std::vector<double>(operands[1].size()),
              std::vector<double>(operands[1].size()), {}};
  for (std::int64_t image = 0; image < shape.images; ++image)
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const std::int64_t keys_at = image * shape.keys * width + head * n;
      const double *k = operands[1].data() + keys_at, *v = operands[2].data() + keys_at;
      double *dk = want.dk.data() + keys_at, *dv = want.dv.data() + keys_at;
      for (std::int64_t query = 0; query < shape.queries; ++query) {
        const std::int64_t at = (image * shape.queries + query) * width + head * n;
        std::vector<double> p(static_cast<std::size_t>(shape.keys)), dp(p.size());
        double greatest = -std::numeric_limits<double>::infinity(), sum = 0, mean = 0;
        for (std::size_t j = 0; j < p.size(); ++j) {
          for (std::int64_t i = 0; i < n; ++i)
            p[j] += scale * operands[0][static_cast<std::size_t>(at + i)] * k[static_cast<std::int64_t>(j) * width + i];
          greatest = std::max(greatest, p[j]);
        }
        for (double& score : p)
          sum += score = std::exp(score - greatest);
        want.log_sums.push_back(greatest + std::log(sum));
        for (std::size_t j = 0; j < p.size(); ++j) {
          p[j] /= sum;
          for (std::int64_t i = 0; i < n; ++i) {
            const std::int64_t key = static_cast<std::int64_t>(j) * width + i;
            want.out[static_cast<std::size_t>(at + i)] += p[j] * v[key];
            dp[j] += dout[static_cast<std::size_t>(at + i)] * v[key];
            dv[key] += p[j] * dout[static_cast<std::size_t>(at + i)];
          }
          mean += p[j] * dp[j];
        }
        for (std::size_t j = 0; j < p.size(); ++j) {
          const double dscore = p[j] * (dp[j] - mean) * scale;
          for (std::int64_t i = 0; i < n; ++i) {
            const std::int64_t key = static_cast<std::int64_t>(j) * width + i;
            want.dq[static_cast<std::size_t>(at + i)] += dscore * k[key];
            dk[key] += dscore * operands[0][static_cast<std::size_t>(at + i)];
          }
        }
      }
    }
  for (const std::vector<double>* gradient : {&want.dq, &want.dk, &want.dv}) {
    std::vector<double> sums(static_cast<std::size_t>(width), 1);
    for (std::size_t i = 0; i < gradient->size(); ++i)
      sums[i % sums.size()] += (*gradient)[i];
    want.dbiases.insert(want.dbiases.end(), sums.begin(), sums.end());
  }
  return want;
}

/// Holds the difference in norm to `tolerance` of the norm, and the greatest difference to 4 times that of the
/// greatest.
void expect_near(const char* name, const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size()) << name;
  double square = 0, norm = 0, difference = 0, greatest = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    square += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
    difference = std::max(difference, std::abs(got[i] - want[i]));
    greatest = std::max(greatest, std::abs(want[i]));
  }
  EXPECT_LE(std::sqrt(square), tolerance * std::sqrt(norm)) << name;
  EXPECT_LE(difference, 4 * tolerance * greatest) << name;
}

template <class T>
void compare(const AttentionShape& shape, double greatest, double tolerance) {
  const Input<T> in(shape, greatest);
  const Output want = expected(in);
  for (const InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(std::string(kernels::name_of(set)) + ", " + std::to_string(sizeof(T)) + " bytes, " +
                 std::to_string(shape.queries) + " x " + std::to_string(shape.keys) + ", head width " +
                 std::to_string(shape.head_width));
    const Output got = run(in, set);
    expect_near("out", got.out, want.out, tolerance);
    expect_near("log_sums", got.log_sums, want.log_sums, tolerance);
    expect_near("dv", got.dv, want.dv, tolerance);
    expect_near("dbiases", got.dbiases, want.dbiases, tolerance);
    if (shape.keys == 1) continue;  // A softmax over one score: the gradients of q and k are zero.
    expect_near("dq", got.dq, want.dq, tolerance);
    expect_near("dk", got.dk, want.dk, tolerance);
  }
}

// Odd lengths, one block of queries and several, one query; a row of keys so long that blocks of queries are smaller.
const AttentionShape kShapes[] = {{2, 3, 1, 1, 16},     {3, 2, 2, 2, 8},    {2, 2, 17, 17, 80}, {2, 3, 37, 37, 64},
                                  {1, 2, 170, 170, 64}, {2, 2, 1, 170, 64}, {2, 2, 1, 37, 16},  {1, 1, 64, 64, 64},
                                  {1, 1, 100, 1100, 8}, {1, 2, 33, 33, 23}};

TEST(Attention, EveryInstructionSetGivesItAndItsGradients) {
  for (const AttentionShape& shape : kShapes) {
    compare<float>(shape, 1, 6e-6);
    compare<double>(shape, 1, 5e-14);
    compare<Bf16>(shape, 1, 4e-3);
  }
}

TEST(Attention, LargeScoresDoNotOverflow) {
  // Scores to ±80 and beyond in every row.
  for (const AttentionShape& shape : {AttentionShape{2, 2, 37, 37, 64}, {2, 2, 1, 37, 64}, {1, 2, 100, 100, 16}}) {
    compare<float>(shape, 9, 3e-5);
    compare<double>(shape, 9, 1e-13);
  }
}

TEST(Attention, WhatIsNotANumberIsSeen) {
  const AttentionShape shape{2, 2, 37, 37, 64};
  const std::int64_t width = width_of(shape);
  const auto is_nan = [](double value) { return std::isnan(value); };
  for (const InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    for (int which = 0; which < 3; ++which) {
      Input<float> in(shape, 1);
      // An element of the second head in row 36 of the first image.
      in.qkv[static_cast<std::size_t>(36 * in.stride + which * width + 70)] = std::nanf("");
      const Output got = run(in, set);
      const std::int64_t first_image = 37 * width;
      for (std::int64_t i = 0; i < 2 * first_image; ++i) {
        const std::int64_t row = i / width, column = i % width;
        const bool head = i < first_image && column >= 64;
        const bool touched = head && (which == 0 ? row == 36 : which == 1 || column == 70);
        ASSERT_EQ(is_nan(got.out[static_cast<std::size_t>(i)]), touched) << which << ' ' << row << ' ' << column;
        // Through the sum over the keys every gradient of a query meets it; through these queries every key.
        ASSERT_EQ(is_nan(got.dk[static_cast<std::size_t>(i)]), head) << which << ' ' << row << ' ' << column;
      }
      EXPECT_TRUE(std::any_of(got.dbiases.begin(), got.dbiases.end(), is_nan));
    }
    Input<float> in(shape, 1);
    in.dout[70] = std::numeric_limits<float>::infinity();
    const Output got = run(in, set);
    EXPECT_TRUE(std::all_of(got.dq.begin() + 64, got.dq.begin() + width, is_nan));
    EXPECT_FALSE(std::isfinite(got.dv[70]));
  }
}

template <class T>
void same_for_all_threads(const AttentionShape& shape) {
  const Input<T> in(shape, 1);
  omp_set_num_threads(1);
  const Output one = run(in, kernels::instruction_set());
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    const Output got = run(in, kernels::instruction_set());
    for (const auto member : {&Output::out, &Output::log_sums, &Output::dq, &Output::dk, &Output::dv, &Output::dbiases})
      EXPECT_EQ(got.*member, one.*member) << threads;
  }
  omp_set_num_threads(1);
}

TEST(Attention, TheBitsDoNotDependOnTheNumberOfThreads) {
  for (const AttentionShape& shape : {AttentionShape{5, 3, 37, 37, 64}, {1, 2, 170, 170, 64}, {4, 1, 1, 37, 16}}) {
    same_for_all_threads<float>(shape);
    same_for_all_threads<double>(shape);
    same_for_all_threads<Bf16>(shape);
  }
}

TEST(Attention, NoImagesAreNoWork) {
  const Input<float> in({0, 2, 37, 37, 64}, 1);
  const Output got = run(in, kernels::instruction_set());
  EXPECT_TRUE(got.out.empty());
  EXPECT_EQ(got.dbiases, std::vector<double>(in.biases.size(), 1));
}

}  // namespace
}  // namespace msn
