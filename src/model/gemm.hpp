// SPDX-License-Identifier: Apache-2.0
// Matrix products, for float32, float64 and bfloat16.
//
// With the same number of threads they give the same bits each time, wherever the operands lie (float64: as long as their
// places are alike modulo 64 bytes). With another number they need not: MKL and bfloat16's oneDNN may share out the sums.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/gemm_table.hpp"

namespace msn {

/// a [m, k] times b [k, n], of one type; either may be a transposed view.
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

/// out [m, n] += a [m, k] times b [k, n]. `out` has the type of a and b, or is float32 where these are bfloat16; its
/// rows are contiguous, though not the whole need be.
void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

/// a [m, k] times b [k, n] plus bias [n], of one type, in one pass where LibTorch can: for the device forms.
at::Tensor product_with_bias(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias);

/// add_product() by LibTorch's operators alone, on any device: what it is on a GPU. bfloat16 is added to float32
/// without another rounding where LibTorch has such a product for the device, which is found out at the first call:
/// that must not be within the capture of a CUDA graph.
void add_product_by_torch(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

/// Has GPUs compute products of float32 from operands of 19 bits (TensorFloat-32), or not, in this process from now on.
void set_tf32_products(bool on);

/// On the CPU, the same by a certain back end, whatever the table says; for benchmarks and tests. Of types that only
/// one of them computes (GemmKind), and of a back end that is not there, it is the other.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, GemmBackend backend);
void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, GemmBackend backend);

/// The table with what this LibTorch has: another BLAS than MKL has no products of bfloat16 that add to float32, and
/// some LibTorch has no oneDNN.
GemmTable supported(GemmTable table);

/// The table that product() and add_product() go by on the CPU in this process: supported(default_gemm_table()) unless
/// set. To be set at start, before the first product, by whoever has agreed on it with the other ranks
/// (train/gemm_setup.hpp).
const GemmTable& gemm_in_force();
void set_gemm(const GemmTable& table);

}  // namespace msn
