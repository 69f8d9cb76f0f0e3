// SPDX-License-Identifier: Apache-2.0
#include "train/memory_ledger.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/error.hpp"

namespace msn {

std::string_view name_of(MemoryUse use) {
  constexpr std::array<std::string_view, kMemoryUses> names{"weights",
                                                            "EMA weights",
                                                            "gradients",
                                                            "moments",
                                                            "bfloat16 copies",
                                                            "batch statistics",
                                                            "batch",
                                                            "kept for the backward pass",
                                                            "a forward block",
                                                            "a backward block",
                                                            "head and loss",
                                                            "the update",
                                                            "messages",
                                                            "batches ahead",
                                                            "state on the host",
                                                            "copy for a checkpoint",
                                                            "allocator's slack",
                                                            "libraries"};
  return names[static_cast<std::size_t>(use)];
}

double MemoryTable::total() const {
  return std::accumulate(bytes.begin(), bytes.end(), 0.0);
}

MemoryUse MemoryTable::largest() const {
  return static_cast<MemoryUse>(std::distance(bytes.begin(), std::max_element(bytes.begin(), bytes.end())));
}

MemoryLedger::Piece MemoryLedger::hold(MemoryUse use, std::int64_t bytes) {
  MSN_CHECK(bytes >= 0);
  const std::int64_t granule = bytes >= granules_.large_from ? granules_.large : granules_.small;
  const auto taken = static_cast<double>((bytes + granule - 1) / granule * granule);
  total_ += taken;
  now_.of(use) += taken;
  most_.of(use) = std::max(most_.of(use), now_.of(use));
  if (total_ > peak_) {
    peak_ = total_;
    at_peak_ = now_;
  }
  return {static_cast<const void*>(this), [this, use, taken](const void*) {
            total_ -= taken;
            now_.of(use) -= taken;
          }};
}

}  // namespace msn
