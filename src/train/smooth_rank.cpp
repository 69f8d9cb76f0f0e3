// SPDX-License-Identifier: Apache-2.0
#include "train/smooth_rank.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "base/symmetric_eigenvalues.hpp"

namespace msn {

namespace {

/// x' x of x [rows, width], by adding whole rows; the upper triangle, mirrored.
std::vector<double> gram(const std::vector<double>& x, std::size_t width) {
  std::vector<double> product(width * width);
  for (std::size_t row = 0; row + width <= x.size(); row += width) {
    for (std::size_t i = 0; i < width; ++i) {
      const double factor = x[row + i];
      for (std::size_t j = i; j < width; ++j)
        product[i * width + j] += factor * x[row + j];
    }
  }
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t j = 0; j < i; ++j)
      product[i * width + j] = product[j * width + i];
  }
  return product;
}

}  // namespace

double smooth_rank(std::span<const float> embeddings, std::size_t width) {
  MSN_CHECK(width > 0 && embeddings.size() % width == 0);
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  if (!std::all_of(embeddings.begin(), embeddings.end(), [](float value) { return std::isfinite(value); })) return none;
  const std::size_t rows = embeddings.size() / width, side = std::min(rows, width);
  std::vector<double> x(embeddings.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < width; ++c)
      x[rows < width ? c * rows + r : r * width + c] = embeddings[r * width + c];
  }
  std::vector<double> values = symmetric_eigenvalues(gram(x, side), side);
  double sum = 0;
  for (double& value : values)
    sum += value = std::sqrt(std::max(0.0, value));
  if (sum == 0) return none;
  double entropy = 0;
  for (const double value : values) {
    if (value > 0) entropy -= value / sum * std::log(value / sum);
  }
  return std::exp(entropy);
}

}  // namespace msn
