// SPDX-License-Identifier: Apache-2.0
#include "model/torch_attention.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_backward.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sum.h>

#include <cmath>
#include <tuple>

#include "base/error.hpp"
#include "model/kernel_types.hpp"

namespace msn::torch_form {
namespace {

/// A row matrix [images * rows, width] as [images, heads, rows, head width], without a copy: the strides of rows that
/// hold their heads side by side, which the back ends take, and want of the gradient of their output as well.
at::Tensor by_head(const at::Tensor& matrix, const AttentionInput& in) {
  return matrix.unflatten(0, {in.images, -1}).unflatten(2, {in.heads, -1}).transpose(1, 2);
}

struct Operands {
  at::Tensor q, k, v;
};

Operands operands(const AttentionInput& in) {
  const auto operand = [&](const at::Tensor& matrix, const at::Tensor& bias) {
    return by_head(bias.defined() ? (matrix + bias).to(matrix.scalar_type()) : matrix, in);
  };
  return {operand(in.q, in.q_bias), operand(in.k, in.k_bias), operand(in.v, in.v_bias)};
}

/// Those of the plain back end: in the type of sums, as LibTorch's own plain form of attention computes, and the
/// queries divided by the root of the head width.
Operands plain_operands(const AttentionInput& in) {
  const at::ScalarType type = accumulate_type(in.q.scalar_type());
  const Operands all = operands(in);
  return {all.q.to(type) / std::sqrt(static_cast<double>(all.q.size(3))), all.k.to(type), all.v.to(type)};
}

at::Tensor probabilities(const Operands& scaled) {
  return at::_softmax(at::matmul(scaled.q, scaled.k.transpose(2, 3)), -1, false);
}

Operands plain_backward(const AttentionInput& in, const at::Tensor& dout) {
  const Operands scaled = plain_operands(in);
  const at::Tensor p = probabilities(scaled), d = dout.to(p.scalar_type());
  const at::Tensor dscores =
      at::_softmax_backward_data(at::matmul(d, scaled.v.transpose(2, 3)), p, -1, p.scalar_type());
  return {at::matmul(dscores, scaled.k) / std::sqrt(static_cast<double>(d.size(3))),
          at::matmul(dscores.transpose(2, 3), scaled.q), at::matmul(p.transpose(2, 3), d)};
}

constexpr double kNoDropout = 0;
constexpr bool kCausal = false, kWithProbabilities = false;

/// The output and the tape, but for what went into the caller's memory.
std::pair<at::Tensor, AttentionTape> forward(const AttentionInput& in, bool keep, AttentionBackend backend) {
  AttentionTape tape;
  tape.backend = backend;
  if (backend == AttentionBackend::plain) {
    const Operands scaled = plain_operands(in);
    return {at::matmul(probabilities(scaled), scaled.v), tape};
  }
  const auto [q, k, v] = operands(in);
  at::Tensor out, probabilities;
  c10::SymInt longest_q = 0, longest_k = 0;
  switch (backend) {
    case AttentionBackend::flash:
      std::tie(out, tape.log_sums, tape.q_offsets, tape.k_offsets, longest_q, longest_k, tape.seed, tape.offset,
               probabilities) =
          at::_scaled_dot_product_flash_attention(q, k, v, kNoDropout, kCausal, kWithProbabilities);
      break;
    case AttentionBackend::efficient:
      std::tie(out, tape.log_sums, tape.seed, tape.offset) =
          at::_scaled_dot_product_efficient_attention(q, k, v, std::nullopt, keep, kNoDropout, kCausal);
      break;
    case AttentionBackend::cudnn:
      std::tie(out, tape.log_sums, tape.q_offsets, tape.k_offsets, longest_q, longest_k, tape.seed, tape.offset,
               probabilities) =
          at::_scaled_dot_product_cudnn_attention(q, k, v, std::nullopt, keep, kNoDropout, kCausal, kWithProbabilities);
      break;
    case AttentionBackend::plain:
      break;
  }
  tape.longest_q = longest_q.expect_int();
  tape.longest_k = longest_k.expect_int();
  return {out, tape};
}

Operands backward(const AttentionInput& in, const at::Tensor& dout, const AttentionTape& tape) {
  if (tape.backend == AttentionBackend::plain) return plain_backward(in, dout);
  const auto [q, k, v] = operands(in);
  const at::Tensor out = by_head(tape.out, in);
  Operands gradients;
  switch (tape.backend) {
    case AttentionBackend::flash:
      std::tie(gradients.q, gradients.k, gradients.v) = at::_scaled_dot_product_flash_attention_backward(
          dout, q, k, v, out, tape.log_sums, tape.q_offsets, tape.k_offsets, tape.longest_q, tape.longest_k, kNoDropout,
          kCausal, tape.seed, tape.offset);
      break;
    case AttentionBackend::efficient:
      std::tie(gradients.q, gradients.k, gradients.v, std::ignore) =
          at::_scaled_dot_product_efficient_attention_backward(dout, q, k, v, {}, out, tape.log_sums, tape.seed,
                                                               tape.offset, kNoDropout, {true, true, true, false},
                                                               kCausal);
      break;
    case AttentionBackend::cudnn:
      std::tie(gradients.q, gradients.k, gradients.v) = at::_scaled_dot_product_cudnn_attention_backward(
          dout, q, k, v, out, tape.log_sums, tape.seed, tape.offset, {}, tape.q_offsets, tape.k_offsets, tape.longest_q,
          tape.longest_k, kNoDropout, kCausal);
      break;
    case AttentionBackend::plain:
      break;
  }
  return gradients;
}

/// Adds the sum of a gradient [images, heads, rows, head width] over images and rows to that of a bias, if there is
/// one.
void add_bias_gradient(const at::Tensor& bias_gradient, const at::Tensor& gradient) {
  if (!bias_gradient.defined()) return;
  bias_gradient.add_(at::sum(gradient, at::IntArrayRef{0, 2}, false, bias_gradient.scalar_type()).flatten());
}

}  // namespace

AttentionTape attention(const AttentionInput& in, const at::Tensor& out, bool keep, AttentionBackend backend) {
  auto [result, tape] = forward(in, keep, backend);
  by_head(out, in).copy_(result);
  if (!keep) return {};
  if (backend != AttentionBackend::plain) tape.out = out;
  return tape;
}

void attention_backward(const AttentionInput& in, const at::Tensor& dout, const AttentionTape& tape,
                        const AttentionInput& gradients) {
  const Operands found = backward(in, by_head(dout, in), tape);
  by_head(gradients.q, in).copy_(found.q);
  by_head(gradients.k, in).copy_(found.k);
  by_head(gradients.v, in).copy_(found.v);
  add_bias_gradient(gradients.q_bias, found.q);
  add_bias_gradient(gradients.k_bias, found.k);
  add_bias_gradient(gradients.v_bias, found.v);
}

}  // namespace msn::torch_form
