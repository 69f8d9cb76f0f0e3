// SPDX-License-Identifier: Apache-2.0
// The kernels of Kokkos behind model/fused.hpp, in host memory, against the CPU's kernels on the same numbers.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "model/fused.hpp"
#include "support/kernel_forms.hpp"
#include "support/made_up.hpp"

namespace msn {
namespace {

using test::expect_close;
using test::made_up;

constexpr std::int64_t kRows = 150, kWidth = 40;

/// Runs `compute` in host memory's own form, then in that of Kokkos.
template <class Compute>
void in_both_forms(const Compute& compute) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(type));
    const std::vector<at::Tensor> want = compute(type);
    const test::HostKernelForm form(KernelForm::kokkos);
    const std::vector<at::Tensor> got = compute(type);
    for (std::size_t i = 0; i < want.size(); ++i) {
      SCOPED_TRACE(i);
      expect_close(got[i], want[i], type);
    }
  }
}

at::ScalarType parameters_of(at::ScalarType type) {
  return type == at::kBFloat16 ? at::kFloat : type;
}

TEST(KokkosFused, LayerNormAndItsGradientsAreThoseOfTheRowKernels) {
  in_both_forms([](at::ScalarType type) -> std::vector<at::Tensor> {
    const at::ScalarType parameters = parameters_of(type);
    Affine layer;
    layer.weight = made_up({kWidth}, parameters, 11).add_(1);
    layer.bias = made_up({kWidth}, parameters, 12);
    layer.weight_gradient = made_up({kWidth}, parameters, 13);
    layer.bias_gradient = made_up({kWidth}, parameters, 14);
    const at::Tensor scale = made_up({kRows}, parameters, 4).round().add_(1);
    const LayerNormed saved = add_layer_norm(
        {made_up({kRows, kWidth}, type, 1), made_up({kRows, kWidth}, type, 2), made_up({kWidth}, parameters, 3), scale},
        layer);
    const at::Tensor skip_row = at::full({kRows}, -1, at::kLong), branch_bias = made_up({kWidth}, parameters, 8);
    skip_row[7].fill_(2);
    const StreamGradient some = layer_norm_backward(made_up({kRows, kWidth}, type, 6), saved, layer,
                                                    made_up({3, kWidth}, type, 5), skip_row, {}, {});
    const StreamGradient all = layer_norm_backward(made_up({kRows, kWidth}, type, 7), saved, layer,
                                                   made_up({kRows, kWidth}, type, 9), {}, scale, branch_bias);
    return {saved.sum,  saved.mean, saved.rstd,  saved.normed,          layer_norm_again(saved, layer),
            some.dx,    all.dx,     all.dbranch, layer.weight_gradient, layer.bias_gradient,
            branch_bias};
  });
}

TEST(KokkosFused, GeluAndItsGradientsAreThoseOfTheRowKernels) {
  in_both_forms([](at::ScalarType type) -> std::vector<at::Tensor> {
    const at::ScalarType parameters = parameters_of(type);
    const at::Tensor x = made_up({kRows, kWidth}, type, 1) * 3, bias = made_up({kWidth}, parameters, 2);
    const at::Tensor activated = bias_gelu(x, bias, false), gradient = made_up({kRows, kWidth}, type, 3);
    const at::Tensor bias_gradient = made_up({kWidth}, parameters, 4), place = x.clone();
    bias_gelu_backward(gradient, x, bias, bias_gradient, true);
    return {activated, bias_gelu(place, bias, true), gradient, x, bias_gradient};
  });
}

TEST(KokkosFused, EmbeddingAndItsGradientsAreThoseOfTheRowKernels) {
  in_both_forms([](at::ScalarType type) -> std::vector<at::Tensor> {
    constexpr std::int64_t images = 5, tokens = 8;
    const at::Tensor patches = made_up({images * (tokens - 1), kWidth}, type, 1);
    const at::Tensor one = made_up({images, tokens, kWidth}, type, 2),
                     each = made_up({images, tokens, kWidth}, type, 3);
    embed(patches, made_up({tokens, kWidth}, parameters_of(type), 4), one);
    embed(patches, made_up({images, tokens, kWidth}, parameters_of(type), 5), each);
    const EmbedGradients gradients = embed_backward(one);
    return {one, each, gradients.dpatches, gradients.dtable};
  });
}

}  // namespace
}  // namespace msn
