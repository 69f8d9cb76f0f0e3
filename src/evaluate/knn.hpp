// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace msn {

enum class Vote {
  weighted,  ///< Every neighbour votes exp(similarity / temperature) (Wu et al., arXiv 1805.01978, as DINO evaluates).
  majority,  ///< Every neighbour has one vote.
};

struct KnnOptions {
  int k = 20;
  double temperature = 0.07;
  Vote vote = Vote::weighted;
};

struct KnnVotes {
  at::Tensor votes;                       ///< float64 [test, classes]
  std::vector<std::int32_t> predictions;  ///< The class with the most votes; of equal ones the smaller.
};

/// Cosine k-nearest-neighbour classification. train [n, d], test [m, d], one float type, not normalised; labels in
/// [0, classes). k is cut to n. Works through the test rows in blocks, so that memory stays bounded.
KnnVotes knn(const at::Tensor& train, const std::vector<std::int32_t>& train_labels, const at::Tensor& test,
             int classes, const KnnOptions& options);

}  // namespace msn
