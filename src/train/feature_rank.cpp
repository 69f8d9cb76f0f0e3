// SPDX-License-Identifier: Apache-2.0
#include "train/feature_rank.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.hpp"
#include "train/smooth_rank.hpp"

namespace msn {

struct FeatureRank::Measurement {
  std::vector<float> rows;
  double rank = 0;
};

FeatureRank::FeatureRank(std::int64_t width)
    : width_(width),
      rows_(static_cast<std::size_t>(std::min<std::int64_t>(4 * width, 1024) * width)),
      measurement_(std::make_shared<Measurement>()) {
  measurement_->rows.resize(rows_.size());
  // On Linux the priority belongs to the thread. Whatever trains comes first.
  thread_.start([] { ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19); });
}

void FeatureRank::add(std::uint64_t step, const at::Tensor& embeddings) {
  MSN_CHECK(embeddings.is_cpu() && embeddings.dim() == 2 && embeddings.size(1) == width_);
  const at::Tensor taken =
      embeddings.narrow(0, 0, std::min(embeddings.size(0), kRowsOfAStep)).to(at::kFloat).contiguous();
  for (const float value : std::span(taken.const_data_ptr<float>(), static_cast<std::size_t>(taken.numel()))) {
    rows_[next_++] = value;
    if (next_ < rows_.size()) continue;
    next_ = 0;
    full_ = true;
  }
  if (step % kEvery != 0 || !full_ || under_way_ || !thread_.idle()) return;
  measurement_->rows = rows_;
  under_way_ = true;
  thread_.start([of = measurement_, width = static_cast<std::size_t>(width_)] {
    try {
      of->rank = smooth_rank(of->rows, width);
    } catch (const Error&) {
      of->rank = std::nan("");  // A number that is missing does not end a run.
    }
  });
}

std::optional<double> FeatureRank::take() {
  if (!under_way_ || !thread_.idle()) return std::nullopt;
  under_way_ = false;
  return measurement_->rank;
}

}  // namespace msn
