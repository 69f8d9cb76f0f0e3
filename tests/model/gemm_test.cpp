// SPDX-License-Identifier: Apache-2.0
#include "model/gemm.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <vector>

#include "model/kernel_types.hpp"
#include "support/kernels.hpp"

namespace msn {
namespace {

constexpr std::array kBackends{GemmBackend::mkl, GemmBackend::onednn};

/// Numbers in (-1, 1), the same for the same seed; as a transposed view if asked for.
at::Tensor matrix(std::int64_t rows, std::int64_t columns, at::ScalarType type, std::uint32_t seed,
                  bool transposed = false) {
  const std::vector<double> values = test::uniform(rows * columns, -1, 1, seed);
  const at::Tensor made = at::empty({rows, columns}, at::kDouble);
  std::copy(values.begin(), values.end(), made.mutable_data_ptr<double>());
  const at::Tensor stored = made.to(type);
  return transposed ? stored.t().contiguous().t() : stored;
}

/// a times b, term by term, of what is stored.
at::Tensor plain_product(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.to(at::kDouble).contiguous(), right = b.to(at::kDouble).contiguous();
  const at::Tensor out = at::full({a.size(0), b.size(1)}, 0, at::kDouble);
  const double *x = left.const_data_ptr<double>(), *y = right.const_data_ptr<double>();
  double* sums = out.mutable_data_ptr<double>();
  const std::int64_t m = a.size(0), n = b.size(1), k = a.size(1);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t p = 0; p < k; ++p) {
      for (std::int64_t j = 0; j < n; ++j)
        sums[i * n + j] += x[i * k + p] * y[p * n + j];
    }
  }
  return out;
}

double error_of(const at::Tensor& got, const at::Tensor& want) {
  EXPECT_EQ(got.sizes(), want.sizes());
  if (want.numel() == 0) return 0;
  return (got.to(at::kDouble) - want).abs().max().item<double>();
}

/// Of sums of up to 300 products of numbers below 1.
double tolerance(at::ScalarType type) {
  return type == at::kDouble ? 1e-12 : type == at::kFloat ? 2e-5 : 30 * 0x1p-8;
}

struct Sizes {
  std::int64_t m, k, n;
};
// One and a few rows, odd numbers, and more than a block of any kernel.
constexpr std::array kSizes{Sizes{1, 1, 1},   Sizes{1, 37, 5},    Sizes{7, 1, 9},
                            Sizes{13, 64, 1}, Sizes{67, 129, 33}, Sizes{96, 300, 130}};

void for_all(const std::function<void(at::ScalarType, GemmBackend, Sizes, bool, bool)>& run) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const GemmBackend backend : kBackends) {
      for (const Sizes sizes : kSizes) {
        for (const bool left : {false, true}) {
          for (const bool right : {false, true}) {
            SCOPED_TRACE(testing::Message() << c10::toString(type) << " by " << name_of(backend) << " " << sizes.m
                                            << "x" << sizes.k << "x" << sizes.n << " transposed: " << left << right);
            run(type, backend, sizes, left, right);
          }
        }
      }
    }
  }
}

TEST(Gemm, EveryBackEndGivesTheProduct) {
  for_all([](at::ScalarType type, GemmBackend backend, Sizes sizes, bool left, bool right) {
    const at::Tensor a = matrix(sizes.m, sizes.k, type, 1, left), b = matrix(sizes.k, sizes.n, type, 2, right);
    const at::Tensor out = product(a, b, backend);
    EXPECT_EQ(out.scalar_type(), type);
    EXPECT_TRUE(out.is_contiguous());
    EXPECT_LT(error_of(out, plain_product(a, b)), tolerance(type));
  });
}

TEST(Gemm, EveryBackEndAddsTheProduct) {
  for_all([](at::ScalarType type, GemmBackend backend, Sizes sizes, bool left, bool right) {
    const at::Tensor a = matrix(sizes.m, sizes.k, type, 1, left), b = matrix(sizes.k, sizes.n, type, 2, right);
    const at::ScalarType sum_type = accumulate_type(type);
    // Some rows and columns of a larger matrix, whose others must stay.
    const at::Tensor whole = matrix(sizes.m + 2, sizes.n + 3, sum_type, 3), before = whole.clone();
    const at::Tensor part = whole.narrow(0, 1, sizes.m).narrow(1, 1, sizes.n);
    add_product(part, a, b, backend);
    const at::Tensor want = before.to(at::kDouble);
    want.narrow(0, 1, sizes.m).narrow(1, 1, sizes.n).add_(plain_product(a, b));
    // bfloat16 added to float32 loses nothing but in oneDNN's product, which it rounds.
    const bool rounds =
        type == at::kBFloat16 && (backend == GemmBackend::onednn ||
                                  supported(gemm_table_of(GemmBackend::mkl)) != gemm_table_of(GemmBackend::mkl));
    EXPECT_LT(error_of(whole, want), tolerance(rounds ? type : sum_type));
  });
}

TEST(Gemm, ProductsOfDevicesAreTheSame) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const Sizes sizes : kSizes) {
      for (const bool left : {false, true}) {
        const at::Tensor a = matrix(sizes.m, sizes.k, type, 1, left), b = matrix(sizes.k, sizes.n, type, 2, true);
        const at::Tensor bias = matrix(1, sizes.n, type, 3).flatten();
        EXPECT_LT(error_of(product_with_bias(a, b, bias), plain_product(a, b) + bias.to(at::kDouble)), tolerance(type));
        const at::Tensor whole = matrix(sizes.m + 2, sizes.n + 3, accumulate_type(type), 3), before = whole.clone();
        add_product_by_torch(whole.narrow(0, 1, sizes.m).narrow(1, 1, sizes.n), a, b);
        const at::Tensor want = before.to(at::kDouble);
        want.narrow(0, 1, sizes.m).narrow(1, 1, sizes.n).add_(plain_product(a, b));
        EXPECT_LT(error_of(whole, want), tolerance(type));
      }
    }
  }
}

TEST(Gemm, TensorFloat32IsOffUnlessAskedFor) {
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
  set_tf32_products(true);
  EXPECT_TRUE(at::globalContext().allowTF32CuBLAS());
  set_tf32_products(false);
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
}

TEST(Gemm, ViewsThatAreNeitherWayContiguousAreReadRight) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const GemmBackend backend : kBackends) {
      const at::Tensor a = matrix(40, 62, type, 1).slice(1, 0, 62, 2), b = matrix(62, 22, type, 2).slice(0, 0, 62, 2);
      const at::Tensor c = matrix(31, 44, type, 3).slice(1, 0, 44, 4);
      EXPECT_LT(error_of(product(a, b, backend), plain_product(a, b)), tolerance(type));
      const at::Tensor out = at::full({40, 11}, 1, accumulate_type(type));
      add_product(out, a, c, backend);
      EXPECT_LT(error_of(out, plain_product(a, c) + 1), tolerance(type));
    }
  }
}

TEST(Gemm, EmptyProductsAreZeros) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const GemmBackend backend : kBackends) {
      EXPECT_EQ(product(matrix(0, 5, type, 1), matrix(5, 3, type, 2), backend).sizes(), (c10::IntArrayRef{0, 3}));
      const at::Tensor zeros = product(matrix(4, 0, type, 1), matrix(0, 3, type, 2), backend);
      EXPECT_LT(error_of(zeros, at::full({4, 3}, 0, at::kDouble)), 1e-30);
      const at::Tensor out = at::full({4, 3}, 2, accumulate_type(type));
      add_product(out, matrix(0, 4, type, 1).t(), matrix(0, 3, type, 2), backend);
      EXPECT_LT(error_of(out, at::full({4, 3}, 2, at::kDouble)), 1e-30);
    }
  }
}

TEST(Gemm, WhatIsNotFiniteIsSeen) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const GemmBackend backend : kBackends) {
      const at::Tensor a = matrix(20, 33, type, 1), b = matrix(33, 17, type, 2);
      a.narrow(0, 4, 1).narrow(1, 6, 1).fill_(std::numeric_limits<double>::quiet_NaN());
      const at::Tensor out = at::full({20, 17}, 0, accumulate_type(type));
      add_product(out, a, b, backend);
      // oneDNN's AMX tiles may take a neighbouring row along, times zero.
      for (const at::Tensor& result : {product(a, b, backend), out})
        EXPECT_TRUE(result[4].isnan().all().item<bool>()) << c10::toString(type) << " by " << name_of(backend);
    }
  }
}

/// The products of a linear layer, at an offset into their memory.
std::vector<at::Tensor> layer(at::ScalarType type, GemmBackend backend, std::int64_t offset) {
  const auto placed = [&](std::int64_t rows, std::int64_t columns, std::uint32_t seed) {
    const at::Tensor memory = at::empty({rows * columns + offset}, type);
    return memory.narrow(0, offset, rows * columns).view({rows, columns}).copy_(matrix(rows, columns, type, seed));
  };
  constexpr std::int64_t rows = 600, in = 384, out = 200;
  const at::Tensor x = placed(rows, in, 1), w = placed(out, in, 2), dy = placed(rows, out, 3);
  const at::Tensor dw = at::full({out, in}, 1, accumulate_type(type));
  add_product(dw, dy.t(), x, backend);
  return {product(x, w.t(), backend), product(dy, w, backend), dw};
}

TEST(Gemm, BitsAreTheSameEachTimeWhereverTheOperandsLie) {
  const int before = at::get_num_threads();
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
      for (const GemmBackend backend : kBackends) {
        // MKL's float64 takes another way on some processors (seen on a Zen 4) where operands lie beside their 64 bytes.
        const std::int64_t offset = type == at::kDouble ? 8 : 3;
        const std::vector<at::Tensor> first = layer(type, backend, 0), again = layer(type, backend, offset);
        for (std::size_t i = 0; i < first.size(); ++i) {
          EXPECT_TRUE(at::equal(first[i], again[i]))
              << i << " " << c10::toString(type) << " by " << name_of(backend) << ", " << threads << " threads";
        }
      }
    }
  }
  at::set_num_threads(before);
}

/// Puts back the table that was in force.
class TableInForce : public testing::Test {
 protected:
  ~TableInForce() override { set_gemm(before_); }

 private:
  GemmTable before_ = gemm_in_force();
};

TEST_F(TableInForce, DecidesWhichBackEndComputes) {
  const at::Tensor x = matrix(100, 384, at::kFloat, 1), w = matrix(64, 384, at::kFloat, 2);
  const at::Tensor dy = matrix(100, 64, at::kFloat, 3);
  const auto gradient = [&](std::int64_t rows, auto... backend) {
    const at::Tensor dw = at::full({64, 384}, 0.1, at::kFloat);
    add_product(dw, dy.narrow(0, 0, rows).t(), x.narrow(0, 0, rows), backend...);
    return dw;
  };
  const at::Tensor x16 = x.to(at::kBFloat16), dy16 = dy.to(at::kBFloat16);
  const auto gradient16 = [&](auto... backend) {
    const at::Tensor dw = at::full({64, 384}, 0.1, at::kFloat);
    add_product(dw, dy16.t(), x16, backend...);
    return dw;
  };
  // One kind at a time is another back end's than the rest; a product is recognised by its bits.
  for (std::size_t odd = 0; odd < kGemmKinds; ++odd) {
    GemmTable table = gemm_table_of(GemmBackend::mkl);
    table.backends[odd] = GemmBackend::onednn;
    table = supported(table);
    set_gemm(table);
    EXPECT_EQ(gemm_in_force(), table);
    const auto of = [&](GemmKind kind) { return table.of(kind); };
    EXPECT_TRUE(at::equal(product(x, w.t()), product(x, w.t(), of(GemmKind::fp32_forward))));
    EXPECT_TRUE(at::equal(product(dy, w), product(dy, w, of(GemmKind::fp32_input_gradient))));
    EXPECT_TRUE(at::equal(gradient(100), gradient(100, of(GemmKind::fp32_weight_gradient))));
    EXPECT_TRUE(at::equal(gradient(30), gradient(30, of(GemmKind::fp32_weight_gradient_few_rows))));
    EXPECT_TRUE(at::equal(gradient16(), gradient16(of(GemmKind::bf16_weight_gradient))));
  }
  if (supported(gemm_table_of(GemmBackend::mkl)) == gemm_table_of(GemmBackend::mkl)) {
    EXPECT_FALSE(at::equal(gradient16(GemmBackend::mkl), gradient16(GemmBackend::onednn)))
        << "only one of them rounds to bfloat16 on the way";
  }
}

}  // namespace
}  // namespace msn
