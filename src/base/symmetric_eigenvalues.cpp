// SPDX-License-Identifier: Apache-2.0
#include "base/symmetric_eigenvalues.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.hpp"

namespace msn {

namespace {

struct Tridiagonal {
  std::vector<double> diagonal;  ///< [n]
  std::vector<double> off;       ///< off[i] couples i and i + 1; the last is 0.
};

/// A reflection a step takes the first column of what is left to a multiple of the first unit vector; what is left
/// becomes A - v w' - w v'. All inner loops add whole rows, which compilers vectorise without reordering a sum.
Tridiagonal tridiagonal_form(std::vector<double> a, std::size_t n) {
  Tridiagonal result{std::vector<double>(n), std::vector<double>(n)};
  std::vector<double> v(n), w(n);
  for (std::size_t k = 0; k + 1 < n; ++k) {
    const std::size_t first = k + 1;
    double norm = 0;
    for (std::size_t i = first; i < n; ++i)
      norm = std::hypot(norm, a[i * n + k]);
    result.diagonal[k] = a[k * n + k];
    const double head = a[first * n + k];
    result.off[k] = head > 0 ? -norm : norm;
    if (norm == 0) continue;
    // v = x - off e1, H = I - 2 v v' / |v|^2.
    for (std::size_t i = first; i < n; ++i)
      v[i] = a[i * n + k];
    v[first] = head - result.off[k];
    const double half_square = norm * (norm + std::abs(head));  // |v|^2 / 2
    std::fill(w.begin() + static_cast<std::ptrdiff_t>(first), w.end(), 0.0);
    for (std::size_t i = first; i < n; ++i) {
      for (std::size_t j = first; j < n; ++j)
        w[j] += v[i] * a[i * n + j];
    }
    double along = 0;
    for (std::size_t i = first; i < n; ++i)
      along += v[i] * (w[i] /= half_square);
    for (std::size_t i = first; i < n; ++i)
      w[i] -= along / (2 * half_square) * v[i];
    for (std::size_t i = first; i < n; ++i) {
      for (std::size_t j = first; j < n; ++j)
        a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
    }
  }
  if (n > 0) result.diagonal[n - 1] = a[n * n - 1];
  return result;
}

/// The first index from `from` on after which the matrix falls apart to rounding.
std::size_t end_of_block(const Tridiagonal& t, std::size_t from) {
  std::size_t m = from;
  for (; m + 1 < t.diagonal.size(); ++m) {
    const double scale = std::abs(t.diagonal[m]) + std::abs(t.diagonal[m + 1]);
    if (std::abs(t.off[m]) <= std::numeric_limits<double>::epsilon() * scale) break;
  }
  return m;
}

/// One implicit QL sweep over the rows from `first` to `last`.
void sweep(Tridiagonal& t, std::size_t first, std::size_t last) {
  auto& [d, e] = t;
  double g = (d[first + 1] - d[first]) / (2 * e[first]);
  g = d[last] - d[first] + e[first] / (g + std::copysign(std::hypot(g, 1.0), g));
  double sine = 1, cosine = 1, p = 0;
  for (std::size_t i = last; i-- > first;) {
    const double f = sine * e[i], b = cosine * e[i];
    const double r = std::hypot(f, g);
    e[i + 1] = r;
    if (r == 0) {  // The block falls apart here.
      d[i + 1] -= p;
      e[last] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = d[i + 1] - p;
    const double s = (d[i] - g) * sine + 2 * cosine * b;
    p = sine * s;
    d[i + 1] = g + p;
    g = cosine * s - b;
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}

}  // namespace

std::vector<double> symmetric_eigenvalues(std::vector<double> matrix, std::size_t n) {
  MSN_CHECK(matrix.size() == n * n);
  Tridiagonal t = tridiagonal_form(std::move(matrix), n);
  constexpr int patience = 60;  // Two or three sweeps an eigenvalue are usual.
  for (std::size_t first = 0; first < n; ++first) {
    int sweeps = 0;
    for (std::size_t last = end_of_block(t, first); last != first; last = end_of_block(t, first)) {
      if (++sweeps > patience) throw internal_error("the eigenvalues of a symmetric matrix do not converge");
      sweep(t, first, last);
    }
  }
  std::sort(t.diagonal.begin(), t.diagonal.end());
  return std::move(t.diagonal);
}

}  // namespace msn
