// SPDX-License-Identifier: Apache-2.0
#include "model/torch_fused.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/index.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/sum.h>

#include "model/kernel_types.hpp"
#include "model/vit.hpp"

namespace msn::torch_form {
namespace {

/// The sums of the columns of a row matrix, in the type of sums.
at::Tensor column_sums(const at::Tensor& matrix) {
  return at::sum(matrix, {0}, false, accumulate_type(matrix.scalar_type()));
}

/// Weight and bias as LibTorch's layer norm wants them beside activations like x: on a GPU in their type, which
/// Affine::compute_weight has where it differs; on the CPU float32, without which its statistics would be bfloat16.
std::pair<at::Tensor, at::Tensor> beside(const at::Tensor& x, const Affine& layer) {
  if (x.is_cpu() || x.scalar_type() == layer.weight.scalar_type()) return {layer.weight, layer.bias};
  if (layer.compute_weight.defined()) return {layer.compute_weight, layer.compute_bias};
  return {layer.weight.to(x.scalar_type()), layer.bias.to(x.scalar_type())};
}

/// x += the rows of `rows` that `row` names, where it is not -1.
void add_rows(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& row) {
  // -1 is the last row: of zeros.
  x.add_(at::index(at::cat({rows, rows.new_zeros({1, rows.size(1)})}), {row}));
}

}  // namespace

LayerNormed add_layer_norm(const Stream& stream, const Affine& layer) {
  const at::Tensor& sum = stream.branch.defined() ? stream.branch : stream.x;
  if (stream.branch.defined()) {
    if (stream.branch_bias.defined()) sum.add_(stream.branch_bias);
    if (stream.row_scale.defined()) sum.mul_(stream.row_scale.unsqueeze(1));
    sum.add_(stream.x);
  }
  const auto [weight, bias] = beside(sum, layer);
  auto [normed, mean, rstd] = at::native_layer_norm(sum, {sum.size(1)}, weight, bias, kLayerNormEps);
  return {sum, mean.flatten(), rstd.flatten(), normed};
}

at::Tensor layer_norm_again(const LayerNormed& saved, const Affine& layer) {
  // The operator takes no statistics. What it computes once more are the same bits.
  const auto [weight, bias] = beside(saved.sum, layer);
  return std::get<0>(at::native_layer_norm(saved.sum, {saved.sum.size(1)}, weight, bias, kLayerNormEps));
}

StreamGradient layer_norm_backward(const at::Tensor& dnormed, const LayerNormed& saved, const Affine& layer,
                                   const at::Tensor& dskip, const at::Tensor& skip_row, const at::Tensor& row_scale,
                                   const at::Tensor& branch_bias_gradient) {
  const auto [weight, bias] = beside(saved.sum, layer);
  // The CPU's operator would sum the parameters' gradients in bfloat16.
  const at::ScalarType type = saved.sum.scalar_type();
  const at::ScalarType within = saved.sum.is_cpu() ? weight.scalar_type() : type;
  auto [dx, dweight, dbias] = at::native_layer_norm_backward(dnormed.to(within), saved.sum.to(within),
                                                             {saved.sum.size(1)}, saved.mean.unsqueeze(1),
                                                             saved.rstd.unsqueeze(1), weight, bias, {true, true, true});
  dx = dx.to(type);
  layer.weight_gradient.add_(dweight);
  layer.bias_gradient.add_(dbias);
  if (skip_row.defined()) {
    add_rows(dx, dskip, skip_row);
  } else if (dskip.defined()) {
    dx.add_(dskip);
  }
  StreamGradient result{dx, dx};
  if (row_scale.defined()) {
    result.dbranch = at::empty_like(dx);
    at::mul_out(result.dbranch, dx, row_scale.unsqueeze(1));
  }
  if (branch_bias_gradient.defined()) branch_bias_gradient.add_(column_sums(result.dbranch));
  return result;
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool in_place) {
  at::Tensor activated = in_place ? x : at::empty_like(x);
  if (bias.defined()) at::add_out(activated, x, bias);
  return at::gelu_out(activated, bias.defined() ? activated : x);
}

void bias_gelu_backward(const at::Tensor& dactivated, const at::Tensor& x, const at::Tensor& bias,
                        const at::Tensor& bias_gradient, bool activate) {
  at::Tensor sum = x;
  if (bias.defined()) {
    if (!activate) sum = at::empty_like(x);
    at::add_out(sum, x, bias);
  }
  at::Tensor dx = dactivated;
  at::gelu_backward_out(dx, dactivated, sum);
  bias_gradient.add_(column_sums(dx));
  if (activate) at::gelu_(sum);
}

void embed(const at::Tensor& patches, const at::Tensor& table, const at::Tensor& out) {
  const std::int64_t images = out.size(0), tokens = out.size(1), width = out.size(2);
  out.select(1, 0).copy_(table.select(-2, 0));
  at::Tensor rest = out.narrow(1, 1, tokens - 1);
  at::add_out(rest, patches.view({images, tokens - 1, width}), table.narrow(-2, 1, tokens - 1));
}

EmbedGradients embed_backward(const at::Tensor& dtokens) {
  return {dtokens.narrow(1, 1, dtokens.size(1) - 1).contiguous(), column_sums(dtokens)};
}

}  // namespace msn::torch_form
