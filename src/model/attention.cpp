// SPDX-License-Identifier: Apache-2.0
#include "model/attention.hpp"

#include <ATen/ops/empty.h>

#include "base/error.hpp"
#include "kernels/attention.hpp"
#include "kernels/work_times.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
#include "model/torch_attention.hpp"

namespace msn {
namespace {

kernels::AttentionShape shape_of(const AttentionInput& in) {
  return {in.images, in.heads, in.q.size(0) / in.images, in.k.size(0) / in.images, in.q.size(1) / in.heads};
}

/// Operations of `products` products of queries and keys, or of probabilities and values.
double flops(const kernels::AttentionShape& shape, int products) {
  return 2.0 * products * static_cast<double>(shape.images * shape.heads * shape.queries) *
         static_cast<double>(shape.keys * shape.head_width);
}

/// What computes on a device.
AttentionBackend backend_of(const AttentionInput& in, const kernels::AttentionShape& shape) {
  if (shape.queries != shape.keys) return AttentionBackend::plain;
  return attention_in_force().of({in.q.scalar_type(), shape.keys, shape.head_width});
}

template <class T>
kernels::RowsOf<T> rows_of(const at::Tensor& matrix) {
  MSN_CHECK(matrix.dim() == 2 && matrix.stride(1) == 1);
  return {pointer<std::remove_const_t<T>>(matrix), matrix.stride(0)};
}

}  // namespace

AttentionTape attention(const AttentionInput& in, const at::Tensor& out, bool keep) {
  const kernels::AttentionShape shape = shape_of(in);
  const kernels::TimedWork work(kernels::Work::attention, 0, flops(shape, 2));
  if (kernel_form(in.q) != KernelForm::rows) return torch_form::attention(in, out, keep, backend_of(in, shape));
  AttentionTape tape;
  if (keep) {
    tape.log_sums = at::empty({shape.images, shape.heads, shape.queries},
                              in.q.options().dtype(accumulate_type(in.q.scalar_type())));
  }
  with_type(in.q.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    kernels::attention<T>(shape, rows_of<const T>(in.q), rows_of<const T>(in.k), rows_of<const T>(in.v),
                          elements<A>(in.q_bias), elements<A>(in.k_bias), elements<A>(in.v_bias), rows_of<T>(out),
                          elements<A>(tape.log_sums));
  });
  return tape;
}

void attention_backward(const AttentionInput& in, const at::Tensor& dout, const AttentionTape& tape,
                        const AttentionInput& gradients) {
  const kernels::AttentionShape shape = shape_of(in);
  // Without the scores, which are computed once more.
  const kernels::TimedWork work(kernels::Work::attention, 0, flops(shape, 4));
  if (kernel_form(in.q) != KernelForm::rows) return torch_form::attention_backward(in, dout, tape, gradients);
  with_type(in.q.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    kernels::attention_backward<T>(shape, rows_of<const T>(in.q), rows_of<const T>(in.k), rows_of<const T>(in.v),
                                   elements<A>(in.q_bias), elements<A>(in.k_bias), elements<A>(in.v_bias),
                                   rows_of<const T>(dout), elements<A>(tape.log_sums), rows_of<T>(gradients.q),
                                   rows_of<T>(gradients.k), rows_of<T>(gradients.v), elements<A>(gradients.q_bias),
                                   elements<A>(gradients.k_bias), elements<A>(gradients.v_bias));
  });
}

}  // namespace msn
