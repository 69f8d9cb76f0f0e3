// SPDX-License-Identifier: Apache-2.0
// Matrix products, for float32, float64 and bfloat16.
#pragma once

#include <ATen/core/Tensor.h>

namespace msn {

/// a [m, k] times b [k, n], of one type; either may be a transposed view.
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

/// out [m, n] += a [m, k] times b [k, n]. `out` has the type of a and b, or is float32 where these are bfloat16.
void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

}  // namespace msn
