// SPDX-License-Identifier: Apache-2.0
#include "evaluate/knn.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "base/error.hpp"

namespace msn {
namespace {

constexpr std::int64_t kBlock = 512;  // Test rows whose similarities are in memory at once.

at::Tensor unit_rows(const at::Tensor& x) {
  return x / x.norm(2, {1}, true).clamp_min_(1e-12);
}

}  // namespace

KnnVotes knn(const at::Tensor& train, const std::vector<std::int32_t>& train_labels, const at::Tensor& test,
             int classes, const KnnOptions& options) {
  MSN_CHECK(static_cast<std::size_t>(train.size(0)) == train_labels.size() && train.size(0) > 0 && options.k > 0);
  const std::int64_t k = std::min<std::int64_t>(options.k, train.size(0));
  const at::Tensor keys = unit_rows(train);
  auto* raw_labels = const_cast<std::int32_t*>(train_labels.data());  // Only read, by index_select below.
  const at::Tensor labels = at::from_blob(raw_labels, {train.size(0)}, at::kInt).to(at::kLong);

  KnnVotes result;
  result.votes = at::zeros({test.size(0), classes}, at::kDouble);
  for (std::int64_t begin = 0; begin < test.size(0); begin += kBlock) {
    const std::int64_t rows = std::min(kBlock, test.size(0) - begin);
    const at::Tensor similarity = at::mm(unit_rows(test.narrow(0, begin, rows)), keys.t());
    const auto [nearest, index] = similarity.topk(k, 1);
    const at::Tensor classes_of = labels.index_select(0, index.flatten()).view({rows, k});
    const at::Tensor values = nearest.to(at::kDouble);
    const at::Tensor weights =
        options.vote == Vote::weighted ? (values / options.temperature).exp() : at::ones_like(values);
    result.votes.narrow(0, begin, rows).scatter_add_(1, classes_of, weights);
  }
  // By hand rather than argmax, which does not promise the first of equal maxima.
  const auto votes = result.votes.accessor<double, 2>();
  for (std::int64_t row = 0; row < test.size(0); ++row) {
    std::int32_t best = 0;
    for (std::int32_t c = 1; c < classes; ++c) {
      if (votes[row][c] > votes[row][best]) best = c;
    }
    result.predictions.push_back(best);
  }
  return result;
}

}  // namespace msn
