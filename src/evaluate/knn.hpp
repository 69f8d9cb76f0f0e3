// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "comm/world.hpp"
#include "evaluate/score.hpp"

namespace msn {

enum class Vote {
  weighted,  ///< Every neighbour votes exp(similarity / temperature) (Wu et al., arXiv 1805.01978, as DINO evaluates).
  majority,  ///< Every neighbour has one vote.
};

struct KnnOptions {
  std::vector<std::int64_t> k{20};  ///< Numbers of neighbours, each at least 1; all in one pass.
  double temperature = 0.07;
  Vote vote = Vote::weighted;
};

/// Throws usage_error if a k is larger than the number of labelled rows.
void check_neighbours(std::size_t rows, const KnnOptions& options);

/// The labelled rows whose neighbourhood decides.
struct KnnReference {
  at::Tensor keys;    ///< [n, d], every row of norm 1.
  at::Tensor labels;  ///< int64 [n], in [0, classes).
  std::int64_t classes = 0;
};
/// From features [n, d] of float32 or float64, not normalised. A row of zeros stays one: it is as far from all others
/// as a right angle.
KnnReference knn_reference(const at::Tensor& features, std::span<const std::int32_t> labels, std::int64_t classes);

/// Votes by cosine k-nearest neighbours, one tensor float64 [m, classes] for each k: test features [m, d] in the type
/// of the reference. Throws usage_error if a k is larger than n.
std::vector<at::Tensor> knn_votes(const KnnReference& reference, const at::Tensor& test, const KnnOptions& options);

/// knn_votes() judged, for each k, over all test rows, which every rank has and which the ranks and their compute
/// threads share: no bit depends on how. All ranks call. `progress`, which may be empty, is called on the main thread
/// now and then.
std::vector<Predictions> knn(const World& world, const KnnReference& reference, const at::Tensor& test,
                             std::span<const std::int32_t> test_labels, const KnnOptions& options, int threads,
                             const std::function<void()>& progress = {});

}  // namespace msn
