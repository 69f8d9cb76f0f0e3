// SPDX-License-Identifier: Apache-2.0
// From tensors to what kernels take.
#pragma once

#include <ATen/core/Tensor.h>

#include "base/error.hpp"
#include "kernels/bf16.hpp"

namespace msn {

/// Calls run(T{}) with the kernels' name of an element type.
template <class Run>
void with_type(at::ScalarType type, const Run& run) {
  switch (type) {
    case at::kFloat:
      return run(float{});
    case at::kDouble:
      return run(double{});
    case at::kBFloat16:
      return run(kernels::Bf16{});
    default:
      MSN_CHECK(!"an element type that kernels know");
  }
}

/// As with_type(), of parameters and what else is never bfloat16.
template <class Run>
void with_parameter_type(at::ScalarType type, const Run& run) {
  switch (type) {
    case at::kFloat:
      return run(float{});
    case at::kDouble:
      return run(double{});
    default:
      MSN_CHECK(!"a type of parameters");
  }
}

/// The type of sums, statistics and parameters beside activations of `type`.
inline at::ScalarType accumulate_type(at::ScalarType type) {
  return type == at::kBFloat16 ? at::kFloat : type;
}

/// The first element of a tensor of that type; null if it is undefined.
template <class T>
T* pointer(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  if constexpr (std::is_same_v<T, kernels::Bf16>) {
    return reinterpret_cast<T*>(tensor.mutable_data_ptr<at::BFloat16>());
  } else {
    return tensor.mutable_data_ptr<T>();
  }
}

/// As pointer(), of a tensor whose elements lie one after the other.
template <class T>
T* elements(const at::Tensor& tensor) {
  MSN_CHECK(!tensor.defined() || tensor.is_contiguous());
  return pointer<T>(tensor);
}

}  // namespace msn
