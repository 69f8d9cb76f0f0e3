// SPDX-License-Identifier: Apache-2.0
#include "evaluate/score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"

namespace msn {
namespace {

template <class T>
void judge_rows(const at::Tensor& scores, std::span<const std::int32_t> labels, Predictions& out) {
  const auto classes = static_cast<std::size_t>(scores.size(1));
  const auto value = [](T score) { return std::isnan(score) ? -std::numeric_limits<T>::infinity() : score; };
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::span row(scores.const_data_ptr<T>() + i * classes, classes);
    const auto own = static_cast<std::size_t>(labels[i]);
    MSN_CHECK(own < classes);
    std::size_t best = 0;
    std::int32_t place = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      if (value(row[c]) > value(row[best])) best = c;
      if (value(row[c]) > value(row[own]) || (value(row[c]) == value(row[own]) && c < own)) ++place;
    }
    out.classes.push_back(static_cast<std::int32_t>(best));
    out.places.push_back(place);
  }
}

/// Every rank's numbers of `mine`, in rank order.
std::vector<std::int32_t> gather_numbers(const World& world, const std::vector<std::int32_t>& mine) {
  const std::size_t bytes = mine.size() * sizeof(std::int32_t);
  std::vector<std::int32_t> all;
  for (int rank = 0; rank < world.size(); ++rank) {
    std::uint64_t count = rank == world.rank() ? bytes / sizeof(std::int32_t) : 0;
    world.broadcast_bytes(std::as_writable_bytes(std::span(&count, 1)), rank);
    std::vector<std::int32_t> part = rank == world.rank() ? mine : std::vector<std::int32_t>(count);
    world.broadcast_bytes(std::as_writable_bytes(std::span(part)), rank);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

void Predictions::append(const Predictions& more) {
  classes.insert(classes.end(), more.classes.begin(), more.classes.end());
  places.insert(places.end(), more.places.begin(), more.places.end());
}

Predictions judge(const at::Tensor& scores, std::span<const std::int32_t> labels) {
  MSN_CHECK(scores.dim() == 2 && static_cast<std::size_t>(scores.size(0)) == labels.size() && scores.size(1) > 0);
  const at::Tensor rows = scores.contiguous();
  Predictions predictions;
  if (rows.scalar_type() == at::kFloat)
    judge_rows<float>(rows, labels, predictions);
  else
    judge_rows<double>(rows, labels, predictions);
  return predictions;
}

Predictions gather_predictions(const World& world, const Predictions& mine) {
  return {gather_numbers(world, mine.classes), gather_numbers(world, mine.places)};
}

double accuracy(const Predictions& predictions, std::int32_t first) {
  if (predictions.count() == 0) return 0;
  const auto right =
      std::count_if(predictions.places.begin(), predictions.places.end(), [&](auto place) { return place < first; });
  return static_cast<double>(right) / static_cast<double>(predictions.count());
}

std::vector<std::uint64_t> confusion_matrix(const Predictions& predictions, std::span<const std::int32_t> labels,
                                            std::size_t classes) {
  MSN_CHECK(predictions.count() == labels.size());
  std::vector<std::uint64_t> counts(classes * classes);
  for (std::size_t i = 0; i < labels.size(); ++i)
    ++counts.at(static_cast<std::size_t>(labels[i]) * classes + static_cast<std::size_t>(predictions.classes[i]));
  return counts;
}

MeanAndDeviation mean_and_deviation(std::span<const double> values) {
  if (values.empty()) return {};
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values)
    squares += (value - mean) * (value - mean);
  return {mean, values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0.0};
}

}  // namespace msn
