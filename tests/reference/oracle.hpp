// SPDX-License-Identifier: Apache-2.0
// A slow and plain MSN step, to compare the real one with: float64, LibTorch's autograd, one process. It shares no code
// with src/model, src/objective or src/train and skips none of the work that they skip: masked patches are embedded and
// then dropped, the last block computes every token, every view is embedded by a convolution.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace msn::reference {

/// Tensors by their official names.
using Tensors = std::map<std::string, at::Tensor>;

/// One step of the whole world: the samples of all ranks, in one process. All tensors are float64.
struct Problem {
  // The network (Dosovitskiy et al., arXiv 2010.11929); its other sizes follow from the tensors.
  std::int64_t depth = 0;
  std::int64_t heads = 0;
  Tensors online;  ///< The encoder's tensors and "prototypes" [K, out].
  Tensors target;  ///< The encoder's tensors.

  // The objective (Assran et al., arXiv 2204.07141).
  double temperature = 0.1;
  double sharpen = 0.25;       ///< T of p^(1/T).
  int sinkhorn = 3;            ///< Iterations.
  double me_max = 1;           ///< Weight of the regulariser.
  double entropy = 0;          ///< Weight of the predictions' mean entropy.
  double label_smoothing = 0;  ///< s of (1 - s) p + s / K.
  at::Tensor prior;            ///< [K], sums to 1; undefined: uniform. Else PMSN (arXiv 2210.07277).

  // The samples; N of them over all ranks. Rows of several views are view-major: row v * N + b.
  std::vector<at::Tensor> views;  ///< [N, 3, size, size]: the target view, random anchor views, focal anchor views.
  int random = 1;                 ///< How many of the views are random anchor views.
  at::Tensor keep;                ///< Kept patches of random views: int64 [kept] or [random * N, kept]; undefined: all.
  at::Tensor random_branches;     ///< Factors of the residual branches, [depth, 2, random * N]; undefined: 1.
  at::Tensor focal_branches;      ///< [depth, 2, focal * N]

  /// Ranks of the world. A step leaves gradients summed over them, each of its own mean loss.
  int ranks = 1;
};

/// Means over the world, and the gradients that all ranks hold after the reduction.
struct Solution {
  double loss = 0;
  double cross_entropy = 0;
  double me_max = 0;  ///< Unweighted.
  double entropy = 0;
  at::Tensor z;        ///< Anchors' embeddings, [(random + focal) * N, out].
  at::Tensor h;        ///< Targets' embeddings, [N, out].
  at::Tensor targets;  ///< [N, K]
  Tensors gradients;   ///< Of every online tensor.
};

Solution solve(const Problem& problem);

}  // namespace msn::reference
