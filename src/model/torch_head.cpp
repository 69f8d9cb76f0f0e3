// SPDX-License-Identifier: Apache-2.0
#include "model/torch_head.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>

#include "kernels/batch_norm.hpp"

namespace msn {
namespace {

at::Tensor normed(const HeadTape::Layer& saved) {
  return (saved.x - saved.mean).mul_(saved.inverse_std);
}

}  // namespace

void torch_column_moments(const at::Tensor& x, const at::Tensor& moments) {
  const std::int64_t width = x.size(1);
  const at::Tensor values = x.to(at::kDouble);
  const at::Tensor mean = values.mean(0);
  moments.select(0, 0).fill_(static_cast<double>(x.size(0)));
  moments.narrow(0, 1, width).copy_(mean);
  moments.narrow(0, 1 + width, width).copy_((values - mean).square_().sum(0));
}

// Chan et al. for any number of parts that are equally large: the squares within them and those of their means.
at::Tensor torch_combine_moments(const at::Tensor& parts, std::int64_t rows) {
  const std::int64_t ranks = parts.size(0), width = (parts.size(1) - 1) / 2;
  const at::Tensor means = parts.narrow(1, 1, width), squares = parts.narrow(1, 1 + width, width);
  const at::Tensor mean = means.mean(0);
  const at::Tensor between = (means - mean).square_().sum(0);
  return at::cat({at::full({1}, static_cast<double>(rows * ranks), parts.options()), mean,
                  squares.sum(0).add_(between, static_cast<double>(rows))});
}

at::Tensor torch_batch_norm_gelu(const HeadTape::Layer& saved, const Affine& affine) {
  return at::gelu(at::addcmul(affine.bias, normed(saved), affine.weight));
}

at::Tensor torch_batch_norm_gelu_backward(const HeadTape::Layer& saved, const Affine& affine,
                                          const at::Tensor& gradient, const at::Tensor& sums) {
  const at::Tensor x = normed(saved);
  const at::Tensor value = at::addcmul(affine.bias, x, affine.weight);
  at::Tensor out = gradient;
  at::gelu_backward_out(out, gradient, value);
  sums[0].copy_(gradient.sum(0, false, at::kDouble));
  sums[1].copy_((gradient * x).sum(0, false, at::kDouble));
  return at::gelu(value);
}

void torch_batch_norm_backward(const HeadTape::Layer& saved, const Affine& affine, const at::Tensor& means,
                               const at::Tensor& gradient) {
  const at::Tensor x = normed(saved);
  gradient.mul_(affine.weight).sub_(means[0]).sub_(x.mul_(means[1])).mul_(saved.inverse_std);
}

}  // namespace msn
