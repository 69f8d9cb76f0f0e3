// SPDX-License-Identifier: Apache-2.0
#include "evaluate/batches.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace msn {

Batches::Batches(std::uint64_t rows, int batch, std::uint64_t seed)
    : sampler_(rows, seed),
      batch_(std::min<std::int64_t>(batch, static_cast<std::int64_t>(rows))),
      steps_(static_cast<std::int64_t>(rows) / batch_) {}

std::vector<std::uint64_t> Batches::rows(std::uint64_t epoch, std::int64_t step, std::int64_t begin,
                                         std::int64_t end) const {
  MSN_CHECK(0 <= begin && begin <= end && end <= batch_ && 0 <= step && step < steps_);
  std::vector<std::uint64_t> rows;
  rows.reserve(static_cast<std::size_t>(end - begin));
  for (std::int64_t place = begin; place < end; ++place)
    rows.push_back(sampler_.at(epoch, static_cast<std::uint64_t>(step * batch_ + place)));
  return rows;
}

RowRange share_of_rank(std::int64_t n, int rank, int ranks) {
  return {n * rank / ranks, n * (rank + 1) / ranks};
}

}  // namespace msn
