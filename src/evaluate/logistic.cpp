// SPDX-License-Identifier: Apache-2.0
#include "evaluate/logistic.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace msn {
namespace {

constexpr std::int64_t kBlock = 2048;    // Rows at once: they stay in the cache between the two products of a pass.
constexpr int kMostProducts = 1000;      // Of the Hessian in one Newton step.
constexpr int kMostHalvings = 40;        // Of a step's length.
constexpr double kMostExact = 1e-5;      // Of a Newton step's residual: rounding lets it reach no less than 1e-8 or so.
constexpr double kLeastDecrease = 1e-4;  // Armijo's share of what the slope promises.
constexpr double kConstantRow = 1e-12;   // Of the 2-norm before centring.
constexpr double kRounding = 8 * std::numeric_limits<double>::epsilon();  // Of the objective.

double inner(const at::Tensor& a, const at::Tensor& b) {
  return at::dot(a.flatten(), b.flatten()).item<double>();
}

/// Rank 0's decision, on every rank. Ranks on unlike processors could differ in the last bit of a comparison, and a
/// rank that takes one step more than the others would wait for them for ever.
bool agreed(const Communicator& communicator, bool here, const char* what) {
  if (communicator.size() == 1) return here;
  const at::Tensor decision = at::zeros({1}, at::kDouble);
  if (communicator.rank() == 0 && here) decision.fill_(1);
  communicator.sum(decision, what);
  return decision.item<double>() != 0;
}

/// The objective over the rows of all ranks.
class Objective {
 public:
  struct Point {
    at::Tensor weight;  ///< [classes, width]
    double value = 0;
    at::Tensor gradient;       ///< [classes, width]
    at::Tensor probabilities;  ///< [rows of this rank, classes]
  };

  Objective(const Communicator& communicator, const at::Tensor& rows, std::span<const std::int32_t> labels, int classes,
            double lambda)
      : communicator_(communicator), rows_(rows.contiguous()), classes_(classes), lambda_(lambda) {
    MSN_CHECK(rows.dim() == 2 && rows.scalar_type() == at::kDouble && lambda > 0);
    MSN_CHECK(static_cast<std::size_t>(rows.size(0)) == labels.size());
    labels_ = at::empty({rows.size(0), 1}, at::kLong);
    std::copy(labels.begin(), labels.end(), labels_.mutable_data_ptr<std::int64_t>());
    const at::Tensor count = at::zeros({1}, at::kDouble);
    count.fill_(static_cast<double>(rows.size(0)));
    communicator.sum(count, "training rows");
    total_ = count.item<double>();
    MSN_CHECK(total_ > 0);
  }

  Point point_at(const at::Tensor& weight) const {
    Point point{weight, 0, {}, at::empty({rows_.size(0), classes_}, at::kDouble)};
    const at::Tensor sums = at::zeros({weight.numel() + 1}, at::kDouble);
    const at::Tensor gradient = sums.narrow(0, 0, weight.numel()).view(weight.sizes());
    double loss = 0;
    for_each_block([&](const at::Tensor& x, std::int64_t begin) {
      const at::Tensor label = labels_.narrow(0, begin, x.size(0));
      const at::Tensor log_probabilities = at::log_softmax(at::mm(x, weight.t()), 1);
      loss -= log_probabilities.gather(1, label).sum().item<double>();
      at::Tensor difference = log_probabilities.exp();
      point.probabilities.narrow(0, begin, x.size(0)).copy_(difference);
      difference.scatter_add_(1, label, at::zeros({x.size(0), 1}, at::kDouble).fill_(-1));
      gradient.addmm_(difference.t(), x);
    });
    sums[weight.numel()].fill_(loss);
    communicator_.sum(sums, "gradient");
    point.value = sums[weight.numel()].item<double>() / total_ + 0.5 * lambda_ * inner(weight, weight);
    point.gradient = gradient / total_ + lambda_ * weight;
    return point;
  }

  /// The second derivative at `point` times `direction` [classes, width].
  at::Tensor hessian_times(const Point& point, const at::Tensor& direction) const {
    const at::Tensor sum = at::zeros_like(direction);
    for_each_block([&](const at::Tensor& x, std::int64_t begin) {
      const at::Tensor probabilities = point.probabilities.narrow(0, begin, x.size(0));
      at::Tensor change = at::mm(x, direction.t()).mul_(probabilities);
      change.sub_(probabilities * change.sum(1, true));
      sum.addmm_(change.t(), x);
    });
    communicator_.sum(sum, "Hessian times direction");
    return sum.div_(total_).add_(direction, lambda_);
  }

  /// The Cholesky factor [width, width] of the preconditioner: the Hessian's diagonal blocks, averaged over classes.
  at::Tensor preconditioner(const Point& point) const {
    const std::int64_t width = rows_.size(1);
    const at::Tensor sum = at::zeros({width, width}, at::kDouble);
    const double others = std::max(1, classes_ - 1);
    for_each_block([&](const at::Tensor& x, std::int64_t begin) {
      const at::Tensor probabilities = point.probabilities.narrow(0, begin, x.size(0));
      const at::Tensor undecided = probabilities.square().sum(1, true).neg_().add_(1).clamp_min_(0).div_(others);
      sum.addmm_((x * undecided).t(), x);
    });
    communicator_.sum(sum, "preconditioner");
    return at::linalg_cholesky(sum.div_(total_).add_(at::eye(width, at::kDouble), lambda_));
  }

 private:
  template <class Run>
  void for_each_block(Run run) const {
    for (std::int64_t begin = 0; begin < rows_.size(0); begin += kBlock)
      run(rows_.narrow(0, begin, std::min(kBlock, rows_.size(0) - begin)), begin);
  }

  const Communicator& communicator_;
  at::Tensor rows_;
  at::Tensor labels_;  ///< int64 [rows, 1]
  int classes_;
  double lambda_;
  double total_ = 0;  ///< Rows of all ranks.
};

struct Direction {
  at::Tensor step;
  int products = 0;
};

/// Solves Hessian * step = -gradient until the residual is at most `share` of the gradient.
Direction newton_direction(const Communicator& communicator, const Objective& objective, const Objective::Point& point,
                           double share) {
  const at::Tensor factor = objective.preconditioner(point);
  const auto preconditioned = [&](const at::Tensor& residual) {
    return at::cholesky_solve(residual.t(), factor).t().contiguous();
  };
  Direction direction{at::zeros_like(point.gradient)};
  at::Tensor residual = point.gradient.neg();
  at::Tensor z = preconditioned(residual);
  at::Tensor search = z.clone();
  double rz = inner(residual, z);
  const double enough = share * share * inner(residual, residual);
  for (;;) {
    const at::Tensor image = objective.hessian_times(point, search);
    ++direction.products;
    const double length = rz / inner(search, image);
    direction.step.add_(search, length);
    residual.sub_(image, length);
    z = preconditioned(residual);
    const double next = inner(residual, z);
    const bool done = !(inner(residual, residual) > enough) || direction.products == kMostProducts;
    if (agreed(communicator, done, "end of conjugate gradients")) return direction;
    search.mul_(next / rz).add_(z);
    rz = next;
  }
}

}  // namespace

at::Tensor centre_and_normalise_rows(const at::Tensor& features) {
  const at::Tensor x = features.to(at::kDouble);
  const at::Tensor centred = x - x.mean(1, true);
  const at::Tensor norm = centred.norm(2, {1}, true);
  const at::Tensor constant = norm <= kConstantRow * x.norm(2, {1}, true);
  return (centred / norm).masked_fill_(constant, 0);
}

LogisticFit fit_logistic(const Communicator& communicator, const at::Tensor& rows, std::span<const std::int32_t> labels,
                         int classes, const LogisticOptions& options) {
  const Objective objective(communicator, rows, labels, classes, options.lambda);
  Objective::Point point = objective.point_at(at::zeros({classes, rows.size(1)}, at::kDouble));
  LogisticFit fit;
  double first_norm = 0;
  for (;;) {
    const double squares = inner(point.gradient, point.gradient);
    const double above = squares / (2 * options.lambda);
    fit.gap = above < point.value ? above / (point.value - above) : std::numeric_limits<double>::infinity();
    if (options.on_step) options.on_step({fit.newton_steps, point.value, fit.gap});
    fit.converged = agreed(communicator, fit.gap <= options.tolerance, "convergence");
    if (fit.converged || fit.newton_steps == options.max_newton_steps) break;

    // Ever more exact steps, but none more exact than the end asks for.
    const double norm = std::sqrt(squares);
    if (fit.newton_steps == 0) first_norm = norm;
    const double wanted = std::sqrt(2 * options.lambda * options.tolerance * point.value);
    const double share = std::clamp(std::max(std::sqrt(norm / first_norm) / 4, 0.5 * wanted / norm), kMostExact, 0.25);
    const Direction direction = newton_direction(communicator, objective, point, share);
    fit.hessian_products += direction.products;
    ++fit.newton_steps;

    const double slope = inner(point.gradient, direction.step);
    double length = 1;
    bool moved = false;
    for (int halvings = 0; halvings <= kMostHalvings && !moved; ++halvings, length /= 2) {
      Objective::Point next = objective.point_at(point.weight + length * direction.step);
      const double rounding = kRounding * point.value;
      const bool lower = next.value <= point.value + kLeastDecrease * length * slope + rounding;
      // Where rounding hides the decrease, a much smaller gradient still tells progress.
      const bool better = next.value < point.value - rounding || inner(next.gradient, next.gradient) < squares / 4;
      moved = agreed(communicator, lower && better, "line search");
      if (moved) point = std::move(next);
    }
    if (!moved) break;
  }
  fit.objective = point.value;
  // Rank 0's: on unlike processors the others' may differ in the last bits.
  if (communicator.rank() != 0) point.weight.zero_();
  communicator.sum(point.weight, "weights");
  fit.weight = point.weight;
  return fit;
}

}  // namespace msn
