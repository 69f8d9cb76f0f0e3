// SPDX-License-Identifier: Apache-2.0
// Matrix products, for float32, float64 and bfloat16.
//
// With the same number of threads they give the same bits each time, wherever the operands lie. With another number
// they need not: MKL and, in bfloat16, oneDNN may share out the inner dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/gemm_table.hpp"

namespace msn {

/// a [m, k] times b [k, n], of one type; either may be a transposed view.
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

/// out [m, n] += a [m, k] times b [k, n]. `out` has the type of a and b, or is float32 where these are bfloat16; its
/// rows are contiguous, though not the whole need be.
void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

/// The same by a certain back end, whatever the table says; for benchmarks and tests. Of types that only one of them
/// computes (GemmKind), and of a back end that is not there, it is the other.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, GemmBackend backend);
void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, GemmBackend backend);

/// The table with what this LibTorch has: another BLAS than MKL has no products of bfloat16 that add to float32, and
/// some LibTorch has no oneDNN.
GemmTable supported(GemmTable table);

/// The table that product() and add_product() go by in this process: supported(default_gemm_table()) unless set. To be
/// set at start, before the first product, by whoever has agreed on it with the other ranks (train/gemm_setup.hpp).
const GemmTable& gemm_in_force();
void set_gemm(const GemmTable& table);

}  // namespace msn
