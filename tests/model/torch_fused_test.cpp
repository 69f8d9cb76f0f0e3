// SPDX-License-Identifier: Apache-2.0
// The device form of what lies between a block's products against the CPU's kernels, on the same numbers.
#include "model/torch_fused.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "support/kernel_forms.hpp"
#include "support/made_up.hpp"

namespace msn {
namespace {

using test::expect_close;
using test::made_up;

struct Shape {
  std::int64_t rows, width;
};
// One row, odd numbers, and more than one block of rows.
constexpr std::array kShapes{Shape{1, 1}, Shape{1, 40}, Shape{7, 33}, Shape{150, 64}};

void for_all(const std::function<void(at::ScalarType, Shape)>& run) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (const Shape shape : kShapes) {
      SCOPED_TRACE(testing::Message() << c10::toString(type) << " " << shape.rows << "x" << shape.width);
      run(type, shape);
    }
  }
}

at::ScalarType parameter_type(at::ScalarType type) {
  return type == at::kBFloat16 ? at::kFloat : type;
}

Affine affine(std::int64_t width, at::ScalarType type) {
  Affine layer;
  layer.weight = made_up({width}, type, 11).add_(1);
  layer.bias = made_up({width}, type, 12);
  layer.weight_gradient = made_up({width}, type, 13);
  layer.bias_gradient = made_up({width}, type, 14);
  return layer;
}

/// A stream with or without a branch and what scales its rows: some are dropped.
Stream stream(at::ScalarType type, Shape shape, bool branch, bool scaled) {
  const at::ScalarType parameters = parameter_type(type);
  Stream result;
  result.x = made_up({shape.rows, shape.width}, type, 1);
  if (!branch) return result;
  result.branch = made_up({shape.rows, shape.width}, type, 2);
  result.branch_bias = made_up({shape.width}, parameters, 3);
  if (scaled) result.row_scale = made_up({shape.rows}, parameters, 4).round().add_(1);
  return result;
}

TEST(TorchFused, AddsAndNormalisesAsTheRowKernelsDo) {
  for_all([](at::ScalarType type, Shape shape) {
    for (const bool branch : {false, true}) {
      for (const bool scaled : {false, true}) {
        const Affine layer = affine(shape.width, parameter_type(type));
        const Stream for_rows = stream(type, shape, branch, scaled), for_torch = stream(type, shape, branch, scaled);
        const LayerNormed want = add_layer_norm(for_rows, layer), got = torch_form::add_layer_norm(for_torch, layer);
        EXPECT_TRUE(got.sum.is_same(branch ? for_torch.branch : for_torch.x)) << "in place";
        EXPECT_EQ(got.mean.scalar_type(), parameter_type(type));
        EXPECT_EQ(got.mean.sizes(), want.mean.sizes());
        expect_close(got.sum, want.sum, type);
        if (shape.width > 1) {  // One number a row: its variance is nothing but rounding.
          expect_close(got.mean, want.mean, type);
          expect_close(got.rstd, want.rstd, type);
          expect_close(got.normed, want.normed, type);
        }
        EXPECT_TRUE(torch_form::layer_norm_again(got, layer).equal(got.normed)) << "recomputation changes no bit";
      }
    }
  });
}

TEST(TorchFused, TakesABranchThatHasItsBias) {
  for_all([](at::ScalarType type, Shape shape) {
    const Affine layer = affine(shape.width, parameter_type(type));
    Stream with = stream(type, shape, true, false), without = stream(type, shape, true, false);
    without.branch.add_(without.branch_bias);
    without.branch_bias.reset();
    EXPECT_TRUE(
        torch_form::add_layer_norm(with, layer).normed.equal(torch_form::add_layer_norm(without, layer).normed));
  });
}

TEST(TorchFused, LayerNormBackwardIsThatOfTheRowKernels) {
  for_all([](at::ScalarType type, Shape shape) {
    if (shape.width == 1) return;
    for (const bool scaled : {false, true}) {
      for (const int skip : {0, 1, 2}) {  // No skip connection, one of every row, one of some rows.
        SCOPED_TRACE(testing::Message() << "scaled " << scaled << " skip " << skip);
        const at::ScalarType parameters = parameter_type(type);
        const LayerNormed saved = add_layer_norm(stream(type, shape, true, false), affine(shape.width, parameters));
        at::Tensor dskip, skip_row;
        if (skip > 0) dskip = made_up({skip == 1 ? shape.rows : (shape.rows + 2) / 3, shape.width}, type, 5);
        if (skip == 2) {
          skip_row = at::full({shape.rows}, -1, at::kLong);
          for (std::int64_t row = 0; row < shape.rows; row += 3)
            skip_row[row].fill_(row / 3);
        }
        const auto run = [&](auto function, const Affine& layer, const at::Tensor& branch_bias_gradient) {
          return function(made_up({shape.rows, shape.width}, type, 6), saved, layer,
                          dskip.defined() ? dskip.clone() : dskip, skip_row,
                          scaled ? made_up({shape.rows}, parameters, 7).round().add_(1) : at::Tensor(),
                          branch_bias_gradient);
        };
        const Affine want_layer = affine(shape.width, parameters), got_layer = affine(shape.width, parameters);
        const at::Tensor want_bias = made_up({shape.width}, parameters, 8), got_bias = want_bias.clone();
        const StreamGradient want = run(layer_norm_backward, want_layer, want_bias);
        const StreamGradient got = run(torch_form::layer_norm_backward, got_layer, got_bias);
        expect_close(got.dx, want.dx, type);
        expect_close(got.dbranch, want.dbranch, type);
        expect_close(got_layer.weight_gradient, want_layer.weight_gradient, type);
        expect_close(got_layer.bias_gradient, want_layer.bias_gradient, type);
        expect_close(got_bias, want_bias, type);
        if (type != at::kBFloat16) {
          run(torch_form::layer_norm_backward, got_layer, {});  // Without a branch: as in the first block.
        }
      }
    }
  });
}

TEST(TorchFused, GeluIsThatOfTheRowKernels) {
  for_all([](at::ScalarType type, Shape shape) {
    const at::ScalarType parameters = parameter_type(type);
    const at::Tensor x = made_up({shape.rows, shape.width}, type, 1) * 3, before = x.clone();
    const at::Tensor bias = made_up({shape.width}, parameters, 2);
    const at::Tensor want = bias_gelu(x, bias, false);
    expect_close(torch_form::bias_gelu(x, bias, false), want, type);
    EXPECT_TRUE(x.equal(before));
    const at::Tensor place = x.clone();
    EXPECT_TRUE(torch_form::bias_gelu(place, bias, true).is_same(place));
    expect_close(place, want, type);
    const at::Tensor sum = x + bias;
    if (type != at::kBFloat16) expect_close(torch_form::bias_gelu(sum, {}, false), want, type);
  });
}

TEST(TorchFused, GeluBackwardIsThatOfTheRowKernels) {
  for_all([](at::ScalarType type, Shape shape) {
    const at::ScalarType parameters = parameter_type(type);
    const at::Tensor bias = made_up({shape.width}, parameters, 2);
    for (const bool activate : {false, true}) {
      const at::Tensor want_x = made_up({shape.rows, shape.width}, type, 1) * 3, got_x = want_x.clone();
      const at::Tensor want = made_up({shape.rows, shape.width}, type, 3), got = want.clone();
      const at::Tensor want_bias = made_up({shape.width}, parameters, 4), got_bias = want_bias.clone();
      bias_gelu_backward(want, want_x, bias, want_bias, activate);
      torch_form::bias_gelu_backward(got, got_x, bias, got_bias, activate);
      expect_close(got, want, type);
      expect_close(got_x, want_x, type);
      EXPECT_TRUE(activate || got_x.equal(want_x)) << "left as it was";
      expect_close(got_bias, want_bias, type);
    }
  });
}

TEST(TorchFused, EmbeddingIsThatOfTheRowKernels) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (const std::int64_t images : {1, 5}) {
      for (const bool own_tables : {false, true}) {
        constexpr std::int64_t tokens = 8, width = 24;
        const at::Tensor patches = made_up({images * (tokens - 1), width}, type, 1);
        const at::Tensor table = own_tables ? made_up({images, tokens, width}, parameter_type(type), 2)
                                            : made_up({tokens, width}, parameter_type(type), 2);
        const at::Tensor want = made_up({images, tokens, width}, type, 3),
                         got = made_up({images, tokens, width}, type, 4);
        embed(patches, table, want);
        torch_form::embed(patches, table, got);
        EXPECT_TRUE(got.equal(want));
        const EmbedGradients want_gradients = embed_backward(want), got_gradients = torch_form::embed_backward(want);
        EXPECT_TRUE(got_gradients.dpatches.equal(want_gradients.dpatches));
        EXPECT_EQ(got_gradients.dtable.scalar_type(), parameter_type(type));
        expect_close(got_gradients.dtable, want_gradients.dtable, parameter_type(type));
      }
    }
  }
}

TEST(TorchFused, IsWhatComputesInItsForm) {
  const Affine layer = affine(40, at::kFloat);
  const Stream in = stream(at::kFloat, {9, 40}, true, true);
  const at::Tensor want =
      torch_form::add_layer_norm({in.x, in.branch.clone(), in.branch_bias, in.row_scale}, layer).normed;
  const test::HostKernelForm form(KernelForm::torch);
  EXPECT_TRUE(add_layer_norm(in, layer).normed.equal(want));
}

}  // namespace
}  // namespace msn
