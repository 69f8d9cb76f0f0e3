// SPDX-License-Identifier: Apache-2.0
#include "data/synthetic_batches.hpp"

#include <chrono>
#include <utility>

#include "base/random.hpp"
#include "base/seconds_since.hpp"
#include "data/sampler.hpp"
#include "data/views.hpp"

namespace msn {

SyntheticBatches::SyntheticBatches(const Config& config, std::uint64_t images, const BatchOptions& options)
    : views_(config.views),
      seed_(config.train.seed),
      images_(images),
      options_(options),
      visible_(config.views, options.patch_size, config.train.seed, options.global_batch),
      step_(options.first_step) {
  share_of_step(step_, images_, options_.global_batch, options_.rank, options_.world_size);
}

Batch SyntheticBatches::next() {
  const auto start = std::chrono::steady_clock::now();
  const StepShare share = share_of_step(step_++, images_, options_.global_batch, options_.rank, options_.world_size);
  const bool has_rows = spare_.has_value();
  Batch batch = has_rows ? *std::exchange(spare_, std::nullopt) : Batch(options_.memory);
  batch.epoch = share.epoch;
  batch.position = share.position;
  batch.samples.clear();
  for (int i = 0; i < share.count; ++i)
    batch.samples.push_back(share.position + static_cast<std::uint64_t>(i));
  shape_batch(views_, visible_, ViewsMade::by_workers, batch);
  if (!has_rows) fill(batch);
  batch.wait_seconds = seconds_since(start);
  return batch;
}

void SyntheticBatches::fill(Batch& batch) const {
  const std::uint64_t first = batch.position % static_cast<std::uint64_t>(options_.global_batch);
  for (int view = 0; view < view_count(views_); ++view) {
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      RandomStream stream(seed_, 0, first + i, static_cast<std::uint32_t>(view), Purpose::generator);
      for (float& value : rows_of(batch, view, i))
        value = 4 * (static_cast<float>(stream.next_u32() >> 8) * 0x1p-24f) - 2;
    }
  }
}

void SyntheticBatches::recycle(Batch&& used) {
  spare_ = std::move(used);
}

}  // namespace msn
