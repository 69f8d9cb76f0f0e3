// SPDX-License-Identifier: Apache-2.0
// Batches of views, made ahead by worker threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "data/batch.hpp"
#include "data/training_data.hpp"

namespace msn {

/// Delivers this rank's share of step first_step, first_step + 1, ... without end, epoch after epoch. What a batch
/// holds is a pure function of (data, views, seed, options, step): neither the number of workers nor the moment
/// matters.
///
/// A worker takes the earliest work that there is: an image whose bytes have come, else a read, else views of an image
/// that another worker is at, else the next batch. No worker waits for another. Memory, beside the index of the data
/// set: for each of `batches_ahead` batches and the one in use its rows (float32), for each of `batches_ahead` its
/// encoded bytes, for each worker one decoded image and the planes of one view.
///
/// With ViewsMade::by_device workers read, decode and plan, and a batch has its decoded images and the plan of its
/// views in place of rows; data/view_plan.hpp bounds their bytes. Order, draws and bad images are the same.
///
/// An image that cannot be read or decoded is replaced by Mixture::replacement of it, under the random draws of the one
/// that was to come; Batch::bad says so.
class Loader : public BatchSource {
 public:
  static constexpr std::size_t batches_ahead = 3;  ///< In the making or ready; bounds the memory.

  /// `data` must outlive the loader. `workers` threads of low priority; 0: as many as cores that this process may use.
  /// Throws config_error if the batch cannot be divided by the ranks or is larger than the data set.
  Loader(const TrainingData& data, const BatchOptions& options, int workers = 0);
  /// Ends the workers: waits for the view or the read each of them is at, and for nothing else.
  ~Loader() override;
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Throws if a shard cannot be opened or SampleReader::most_bad_in_a_row images are bad in a row; that is the end of
  /// this loader.
  Batch next() override;
  void recycle(Batch&& used) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace msn
