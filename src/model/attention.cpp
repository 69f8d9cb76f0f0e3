// SPDX-License-Identifier: Apache-2.0
#include "model/attention.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/matmul.h>

#include <cmath>

namespace msn {
namespace {

/// [images * rows, width] -> [images, heads, rows, width / heads]
at::Tensor split(const at::Tensor& x, std::int64_t images, std::int64_t heads) {
  return x.unflatten(0, {images, -1}).unflatten(2, {heads, -1}).transpose(1, 2);
}

/// The inverse of split().
at::Tensor merge(const at::Tensor& x) {
  return x.transpose(1, 2).flatten(2).flatten(0, 1);
}

}  // namespace

// Short sequences (17 to 200 tokens): batched products and a softmax are faster here than LibTorch's flash kernel.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t images,
                     std::int64_t heads, AttentionSaved* saved) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(1)) / static_cast<double>(heads));
  const at::Tensor queries = split(q, images, heads) * scale;
  const at::Tensor keys = split(k, images, heads);
  const at::Tensor values = split(v, images, heads);
  const at::Tensor probabilities = at::_softmax(at::matmul(queries, keys.transpose(2, 3)), -1, false);
  if (saved != nullptr) *saved = {queries, keys, values, probabilities};
  return merge(at::matmul(probabilities, values));
}

AttentionGradients attention_backward(const at::Tensor& dout, const AttentionSaved& saved) {
  const at::Tensor dmixed = split(dout, saved.q.size(0), saved.q.size(1));
  const at::Tensor dv = at::matmul(saved.probabilities.transpose(2, 3), dmixed);
  const at::Tensor dprobabilities = at::matmul(dmixed, saved.v.transpose(2, 3));
  const at::Tensor dscores =
      at::_softmax_backward_data(dprobabilities, saved.probabilities, -1, saved.probabilities.scalar_type());
  // saved.q carries the scale already; dq takes it once more for the chain through q.
  const double scale = 1.0 / std::sqrt(static_cast<double>(saved.q.size(3)));
  const at::Tensor dq = at::matmul(dscores, saved.k) * scale;
  const at::Tensor dk = at::matmul(dscores.transpose(2, 3), saved.q);
  return {merge(dq), merge(dk), merge(dv)};
}

}  // namespace msn
