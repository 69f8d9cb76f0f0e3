// SPDX-License-Identifier: Apache-2.0
#include "model/attention.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>

#include <cmath>

namespace msn {
namespace {

/// [images * rows, width] -> [images, heads, rows, width / heads]
at::Tensor split(const at::Tensor& x, const AttentionInput& in) {
  return x.unflatten(0, {in.images, -1}).unflatten(2, {in.heads, -1}).transpose(1, 2);
}

/// The inverse of split().
at::Tensor merge(const at::Tensor& x) {
  return x.transpose(1, 2).flatten(2).flatten(0, 1);
}

}  // namespace

at::Tensor attention(const AttentionInput& in, const at::Tensor& out, bool keep) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(1)) / static_cast<double>(in.heads));
  const at::Tensor scores = at::matmul(split(in.q + in.q_bias, in) * scale, split(in.k + in.k_bias, in).transpose(2, 3));
  const at::Tensor log_sums = at::logsumexp(scores, {3}, true);
  out.copy_(merge(at::matmul((scores - log_sums).exp_(), split(in.v + in.v_bias, in))));
  return keep ? log_sums : at::Tensor();
}

void attention_backward(const AttentionInput& in, const at::Tensor& dout, const at::Tensor& log_sums,
                        const AttentionInput& gradients) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(1)) / static_cast<double>(in.heads));
  const at::Tensor q = split(in.q + in.q_bias, in) * scale, k = split(in.k + in.k_bias, in), v = split(in.v + in.v_bias, in);
  const at::Tensor p = (at::matmul(q, k.transpose(2, 3)) - log_sums).exp_();
  const at::Tensor dmixed = split(dout, in).to(p.scalar_type());
  const at::Tensor dv = merge(at::matmul(p.transpose(2, 3), dmixed));
  const at::Tensor dp = at::matmul(dmixed, v.transpose(2, 3));
  const at::Tensor ds = p * (dp - (p * dp).sum(3, true));
  const at::Tensor dq = merge(at::matmul(ds, k) * scale), dk = merge(at::matmul(ds.transpose(2, 3), q));
  gradients.q.copy_(dq);
  gradients.k.copy_(dk);
  gradients.v.copy_(dv);
  gradients.q_bias.add_(dq.sum(0));
  gradients.k_bias.add_(dk.sum(0));
  gradients.v_bias.add_(dv.sum(0));
}

}  // namespace msn
