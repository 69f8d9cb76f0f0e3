// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <string>
#include <vector>

#include "base/flat_array.hpp"
#include "data/masks.hpp"
#include "data/view_plan.hpp"

namespace msn {

/// A sample that could not be read or decoded, and the one whose pixels were taken instead.
struct BadSample {
  std::size_t place = 0;          ///< Index in the batch.
  std::uint64_t sample = 0;       ///< Its number in its data set.
  std::uint64_t replacement = 0;  ///< Of the same set.
  std::string where;              ///< The bad one by name, shard and number.
  std::string reason;
};

/// The views of one kind as rows of their visible patches, ready for one product with the patch embedding.
struct ViewRows {
  explicit ViewRows(std::pmr::memory_resource* memory = std::pmr::new_delete_resource()) : rows(memory), keep(memory) {}

  int views = 0;             ///< Of each sample.
  int grid = 0;              ///< Patches a side, masked ones counted.
  std::int64_t visible = 0;  ///< Patches of a view that have a row.
  /// Normalised pixels, [views][samples][visible][3 * patch²]; values of a patch in the order channel, row, column.
  /// Empty where a device is to make the views.
  FlatArray<float> rows;
  /// Which patches the rows are, numbered row by row: [visible], the same for all, or [views][samples][visible]; empty:
  /// all of them, rising.
  FlatArray<std::int64_t> keep;
};

/// Who makes the views of a batch from its decoded images.
enum class ViewsMade { by_workers, by_device };

/// One rank's share of a step, ready for the network, or for the device that makes its views.
struct Batch {
  /// With its rows, masks and pixels in `memory`, which must outlive it.
  explicit Batch(std::pmr::memory_resource* memory = std::pmr::new_delete_resource())
      : target(memory), random(memory), focal(memory), plan(memory) {}

  std::uint64_t epoch = 0;
  std::uint64_t position = 0;  ///< Global position in the epoch of this rank's first sample.
  /// In order of position: the keys of all random draws, of one data set the numbers of the samples (Draw::key).
  std::vector<std::uint64_t> samples;
  std::vector<BadSample> bad;  ///< In order of place; one that was bad itself stands after what it replaced.
  ViewRows target;             ///< One view of each sample, never masked.
  ViewRows random;             ///< Masked anchor views of the target's size.
  ViewRows focal;              ///< Small anchor views.
  ViewPlan plan;               ///< What a device makes the rows of; without tasks where workers made them.
  double wait_seconds = 0;     ///< How long the caller of next() waited for it.
};

/// Whose share of which steps, and how views become rows.
struct BatchOptions {
  int global_batch = 1;
  int patch_size = 1;  ///< Pixels a side.
  int rank = 0;
  int world_size = 1;
  std::uint64_t first_step = 0;
  ViewsMade views = ViewsMade::by_workers;
  /// Where rows, masks, pixels and plans lie: pinned memory, say. It must outlive all batches; any thread calls it.
  std::pmr::memory_resource* memory = std::pmr::new_delete_resource();
};

/// Gives the groups of a batch with its samples, epoch and position their sizes, and draws their masks. The rows, or
/// the plan of its views, are left to the caller; memory that is there is used again.
void shape_batch(const ViewsConfig& views, const VisiblePatches& visible, ViewsMade made, Batch& batch);

/// The rows of sample `index` in view `view` of a shaped batch: view 0 is the target view, then the random ones follow,
/// then the focal ones.
std::span<float> rows_of(Batch& batch, int view, std::size_t index);
/// The patches that these rows are; empty: all of them, rising.
std::span<const std::int64_t> kept_of(const Batch& batch, int view, std::size_t index);

/// Where batches come from, step after step.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  /// The next step's batch; waits until it is made.
  virtual Batch next() = 0;

  /// Gives a batch back, so that its memory serves again. Optional.
  virtual void recycle(Batch&& used) = 0;
};

}  // namespace msn
