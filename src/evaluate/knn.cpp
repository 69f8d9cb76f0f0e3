// SPDX-License-Identifier: Apache-2.0
#include "evaluate/knn.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "evaluate/alone.hpp"
#include "evaluate/batches.hpp"

namespace msn {
namespace {

/// Similarities that a thread has in memory at once.
constexpr std::int64_t kSimilarities = std::int64_t{1} << 25;
/// Blocks of a thread between two calls of the progress.
constexpr std::int64_t kRound = 4;

at::Tensor unit_rows(const at::Tensor& x) {
  return x / x.norm(2, {1}, true).clamp_min_(1e-12);
}

}  // namespace

void check_neighbours(std::size_t rows, const KnnOptions& options) {
  for (const std::int64_t k : options.k) {
    if (static_cast<std::size_t>(k) <= rows) continue;
    throw usage_error(
        "there are " + std::to_string(rows) + " training images, fewer than " + std::to_string(k) + " neighbours",
        "--k", "give a smaller number, or more training images");
  }
}

KnnReference knn_reference(const at::Tensor& features, std::span<const std::int32_t> labels, std::int64_t classes) {
  MSN_CHECK(features.dim() == 2 && static_cast<std::size_t>(features.size(0)) == labels.size() && !labels.empty());
  auto* raw = const_cast<std::int32_t*>(labels.data());  // Only read.
  const at::Tensor numbers = at::from_blob(raw, {features.size(0)}, at::kInt).to(at::kLong);
  MSN_CHECK(numbers.min().item<std::int64_t>() >= 0 && numbers.max().item<std::int64_t>() < classes);
  return {unit_rows(features), numbers, classes};
}

std::vector<at::Tensor> knn_votes(const KnnReference& reference, const at::Tensor& test, const KnnOptions& options) {
  const at::NoGradGuard no_autograd;
  MSN_CHECK(!options.k.empty());
  const auto [least, greatest] = std::minmax_element(options.k.begin(), options.k.end());
  const std::int64_t most = *greatest;
  MSN_CHECK(*least > 0 && most <= reference.keys.size(0));
  const at::Tensor similarity = at::mm(unit_rows(test), reference.keys.t());
  const auto [nearest, index] = similarity.topk(most, 1);
  const at::Tensor classes_of = reference.labels.index_select(0, index.flatten()).view({test.size(0), most});
  const at::Tensor values = nearest.to(at::kDouble);
  const at::Tensor weights =
      options.vote == Vote::weighted ? (values / options.temperature).exp() : at::ones_like(values);
  std::vector<at::Tensor> votes;
  for (const std::int64_t k : options.k) {
    votes.push_back(at::zeros({test.size(0), reference.classes}, at::kDouble));
    votes.back().scatter_add_(1, classes_of.narrow(1, 0, k), weights.narrow(1, 0, k));
  }
  return votes;
}

std::vector<Predictions> knn(const World& world, const KnnReference& reference, const at::Tensor& test,
                             std::span<const std::int32_t> test_labels, const KnnOptions& options, int threads,
                             const std::function<void()>& progress) {
  MSN_CHECK(static_cast<std::size_t>(test.size(0)) == test_labels.size());
  const std::int64_t rows = std::clamp<std::int64_t>(kSimilarities / reference.keys.size(0), 1, 256);
  const RowRange mine = share_of_rank((test.size(0) + rows - 1) / rows, world.rank(), world.size());
  std::vector<Predictions> judged(options.k.size());
  const std::int64_t round = kRound * std::max(1, threads);
  for (std::int64_t begin = mine.begin; begin < mine.end; begin += round) {
    const auto blocks = static_cast<std::size_t>(std::min(round, mine.end - begin));
    std::vector<std::vector<Predictions>> of_block(blocks);
    for_each_alone(blocks, [&](std::size_t i) {
      const std::int64_t first = (begin + static_cast<std::int64_t>(i)) * rows;
      const std::int64_t count = std::min(rows, test.size(0) - first);
      const auto labels = test_labels.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
      for (const at::Tensor& votes : knn_votes(reference, test.narrow(0, first, count), options))
        of_block[i].push_back(judge(votes, labels));
    });
    for (const std::vector<Predictions>& block : of_block) {
      for (std::size_t k = 0; k < judged.size(); ++k)
        judged[k].append(block[k]);
    }
    if (progress) progress();
  }
  for (Predictions& predictions : judged)
    predictions = gather_predictions(world, predictions);
  return judged;
}

}  // namespace msn
