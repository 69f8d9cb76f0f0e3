// SPDX-License-Identifier: Apache-2.0
#include "model/gemm.hpp"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"
#include "kernels/work_times.hpp"

#ifdef MSN_BLAS_HAS_BF16
extern "C" void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                                       const c10::BFloat16* a, int stride_a, const c10::BFloat16* b, int stride_b,
                                       float beta, float* out, int stride_out);
#endif

namespace msn {
namespace {

using OneDnnLinear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                std::string_view, c10::List<std::optional<at::Scalar>>,
                                std::optional<std::string_view>);

/// The operator has no public C++ header; the dispatcher knows it by name, as TorchScript does.
const auto& one_dnn_operator() {
  static const auto op = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return op;
}

/// x [m, k] times wᵀ, w [n, k]. Both may be transposed views; a transposed x is copied.
at::Tensor one_dnn_linear(const at::Tensor& x, const at::Tensor& w) {
  static const auto op = one_dnn_operator()->typed<OneDnnLinear>();
  return op.call(x, w, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
}

#ifdef MSN_BLAS_HAS_BF16
constexpr bool kBlasHasBf16 = true;

int narrow(std::int64_t value) {
  MSN_CHECK(value <= std::numeric_limits<int>::max());
  return static_cast<int>(value);
}

/// A matrix as a BLAS in row-major order reads it.
struct BlasOperand {
  static constexpr int kNoTrans = 111, kTrans = 112;

  explicit BlasOperand(const at::Tensor& matrix) : held(matrix) {
    if (held.stride(1) != 1 && held.stride(0) != 1) held = held.contiguous();
    const bool rows = held.stride(1) == 1;
    transpose = rows ? kNoTrans : kTrans;
    // The stride of a single row means nothing, and the BLAS refuses one that is too short.
    stride = narrow(rows ? std::max(held.stride(0), held.size(1)) : std::max(held.stride(1), held.size(0)));
  }

  at::Tensor held;
  int transpose, stride;
};

void add_bf16_by_blas(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  constexpr int row_major = 101;
  const std::int64_t m = out.size(0), n = out.size(1), k = a.size(1);
  MSN_CHECK(a.size(0) == m && b.size(0) == k && b.size(1) == n && (out.stride(1) == 1 || n == 1));
  const BlasOperand left(a), right(b);
  if (m == 0 || n == 0 || k == 0) return;
  cblas_gemm_bf16bf16f32(row_major, left.transpose, right.transpose, narrow(m), narrow(n), narrow(k), 1,
                         left.held.const_data_ptr<c10::BFloat16>(), left.stride,
                         right.held.const_data_ptr<c10::BFloat16>(), right.stride, 1, out.mutable_data_ptr<float>(),
                         narrow(std::max(out.stride(0), n)));
}
#else
constexpr bool kBlasHasBf16 = false;

void add_bf16_by_blas(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  out.add_(at::mm(a, b));
}
#endif

bool one_dnn_computes(const at::Tensor& a, const at::Tensor& b, GemmBackend backend) {
  // An empty product is zeros, or nothing at all.
  return backend == GemmBackend::onednn && a.scalar_type() == at::kFloat && a.numel() > 0 && b.numel() > 0 &&
         one_dnn_operator().has_value();
}

// Products of bfloat16 that give float32. LibTorch has them from 2.8 on and for GPUs only, so that the dispatcher is
// asked by name as well; which versions take a float32 `self` is not documented, and tried.

using AddToWider = at::Tensor&(const at::Tensor&, const at::Tensor&, const at::Tensor&, at::ScalarType,
                               const at::Scalar&, const at::Scalar&, at::Tensor&);
using GiveWider = at::Tensor(const at::Tensor&, const at::Tensor&, at::ScalarType);

void add_to_wider(at::Tensor out, const at::Tensor& a, const at::Tensor& b) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::addmm", "dtype_out").typed<AddToWider>();
  op.call(out, a, b, out.scalar_type(), 1, 1, out);
}

void give_wider_and_add(at::Tensor out, const at::Tensor& a, const at::Tensor& b) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::mm", "dtype").typed<GiveWider>();
  out.add_(op.call(a, b, out.scalar_type()));
}

void round_and_add(at::Tensor out, const at::Tensor& a, const at::Tensor& b) {
  out.add_(at::mm(a, b));
}

using AddWider = void (*)(at::Tensor, const at::Tensor&, const at::Tensor&);

/// The first of these that the device has. An operator that refuses does so before it starts anything.
AddWider find_add_wider(at::Device device) {
  constexpr std::int64_t side = 16;
  const at::Tensor out = at::zeros({side, side}, at::TensorOptions(device));
  const at::Tensor operand = out.to(at::kBFloat16);
  for (const AddWider add : {add_to_wider, give_wider_and_add}) {
    try {
      add(out, operand.t(), operand);
      return add;
    } catch (const c10::Error&) {
    }
  }
  if (!device.is_cpu()) {
    log::warn(
        "this LibTorch has no products of bfloat16 that give float32: the gradients of weights are rounded to "
        "bfloat16 before they are added");
  }
  return round_and_add;
}

/// A multiply-add counted as two.
double operations(const at::Tensor& a, const at::Tensor& b) {
  return 2.0 * static_cast<double>(a.numel()) * static_cast<double>(b.size(1));
}

GemmTable& table_in_force() {
  static GemmTable table = supported(default_gemm_table(kernels::processor_vendor()));
  return table;
}

}  // namespace

at::Tensor product(const at::Tensor& a, const at::Tensor& b, GemmBackend backend) {
  const kernels::TimedWork work(kernels::Work::product, 0, operations(a, b));
  return one_dnn_computes(a, b, backend) ? one_dnn_linear(a, b.t()) : at::mm(a, b);
}

void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, GemmBackend backend) {
  const kernels::TimedWork work(kernels::Work::product, 0, operations(a, b));
  if (one_dnn_computes(a, b, backend)) {
    // In a weight gradient either form has a transposed left operand, which is copied: so the narrower one goes left.
    out.add_(out.size(0) <= out.size(1) ? one_dnn_linear(a, b.t()) : one_dnn_linear(b.t(), a).t());
  } else if (out.scalar_type() == a.scalar_type()) {
    out.addmm_(a, b);
  } else if (backend == GemmBackend::mkl) {
    add_bf16_by_blas(out, a, b);
  } else {
    out.add_(at::mm(a, b));
  }
}

at::Tensor product_with_bias(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) {
  const kernels::TimedWork work(kernels::Work::product, 0, operations(a, b));
  return at::addmm(bias, a, b);
}

void add_product_by_torch(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  const kernels::TimedWork work(kernels::Work::product, 0, operations(a, b));
  if (out.scalar_type() == a.scalar_type()) {
    out.addmm_(a, b);
  } else if (out.is_cpu()) {
    static const AddWider add = find_add_wider(at::kCPU);
    add(out, a, b);
  } else {
    static const AddWider add = find_add_wider(out.device());
    add(out, a, b);
  }
}

void set_tf32_products(bool on) {
  at::globalContext().setAllowTF32CuBLAS(on);
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (!a.is_cpu()) return at::mm(a, b);
  const bool right_is_transposed = b.stride(1) != 1;
  return product(a, b,
                 table_in_force().of(right_is_transposed ? GemmKind::fp32_forward : GemmKind::fp32_input_gradient));
}

void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  if (!out.is_cpu()) return add_product_by_torch(out, a, b);
  const GemmKind kind = a.scalar_type() == at::kBFloat16 ? GemmKind::bf16_weight_gradient
                        : a.size(1) < kFewRows           ? GemmKind::fp32_weight_gradient_few_rows
                                                         : GemmKind::fp32_weight_gradient;
  add_product(out, a, b, table_in_force().of(kind));
}

GemmTable supported(GemmTable table) {
  if (!one_dnn_operator().has_value()) {
    for (const GemmKind kind : {GemmKind::fp32_forward, GemmKind::fp32_input_gradient, GemmKind::fp32_weight_gradient,
                                GemmKind::fp32_weight_gradient_few_rows})
      table.of(kind) = GemmBackend::mkl;
  }
  if (!kBlasHasBf16) table.of(GemmKind::bf16_weight_gradient) = GemmBackend::onednn;
  return table;
}

const GemmTable& gemm_in_force() {
  return table_in_force();
}

void set_gemm(const GemmTable& table) {
  table_in_force() = table;
}

}  // namespace msn
