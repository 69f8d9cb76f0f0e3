// SPDX-License-Identifier: Apache-2.0
// Multinomial logistic regression on frozen features: what the paper measures few labels with.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>

#include "comm/communicator.hpp"

namespace msn {

/// The official preprocessing: from each row [n, width] its own mean is subtracted, then it is divided by its 2-norm.
/// float64. Nothing is learnt from other rows. A constant row (its 2-norm after centring is at most 1e-12 of that
/// before) becomes zeros, so that it says nothing of any class. (cyanure makes a random unit vector of it.)
at::Tensor centre_and_normalise_rows(const at::Tensor& features);

struct LogisticProgress {
  int newton_steps = 0;
  double objective = 0;
  double gap = 0;
};

struct LogisticOptions {
  double lambda = 0;           ///< Of the objective, above 0. The official figures are divided by the training rows.
  double tolerance = 1e-9;     ///< Greatest LogisticFit::gap.
  int max_newton_steps = 200;  ///< Then the fit ends without convergence.
  /// Called before each step and at the end.
  std::function<void(const LogisticProgress&)> on_step;
};

struct LogisticFit {
  at::Tensor weight;  ///< float64 [classes, width]
  double objective = 0;
  double gap = 0;  ///< The objective lies above its minimum by at most this share of the minimum: proven.
  int newton_steps = 0;
  int hessian_products = 0;
  bool converged = false;
};

/// Minimises f(W) = mean over all rows of -log softmax(W x)_label + lambda / 2 |W|^2; no intercept.
///
/// Newton's method, each step by conjugate gradients (R. S. Dembo, T. Steihaug, "Truncated-Newton algorithms for
/// large-scale unconstrained optimization", Math. Program. 26, 1983), preconditioned by one matrix for all classes: the
/// rows' second moments weighted by how undecided each row is. It ends by a bound rather than by a small step: f is
/// strongly convex with modulus lambda, so f(W) - min f <= |grad f(W)|^2 / (2 lambda).
///
/// `rows` float64 [rows of this rank, width], their `labels` in [0, classes); a rank may have none. All ranks call, and
/// get the same weights. Sums go over the ranks in rank order: another number of ranks changes rounding only.
LogisticFit fit_logistic(const Communicator& communicator, const at::Tensor& rows, std::span<const std::int32_t> labels,
                         int classes, const LogisticOptions& options);

}  // namespace msn
