// SPDX-License-Identifier: Apache-2.0
// What the host decides for the views of a batch that a device makes: every draw, coefficient and mask, as plain data
// in a few flat arrays, each uploaded in one copy.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <vector>

#include "base/flat_array.hpp"
#include "config/config.hpp"
#include "data/image.hpp"
#include "data/resize.hpp"
#include "data/view_parameters.hpp"
#include "kernels/device/views.hpp"

namespace msn {

/// Room for the pixels of images whose number and sizes show only as they are decoded. It grows by whole blocks, so
/// that what was handed out stays where it is. Memory is kept when it is used again.
class PixelBlocks {
 public:
  static constexpr std::size_t block_bytes = std::size_t{8} << 20;  ///< Of a block; one for a larger image is larger.

  explicit PixelBlocks(std::pmr::memory_resource* memory = std::pmr::new_delete_resource()) : memory_(memory) {}

  struct Place {
    std::uint64_t offset = 0;  ///< Among all pixels, as if the blocks stood one behind the other.
    std::uint8_t* bytes = nullptr;
  };
  /// `size` bytes in one block.
  Place take(std::size_t size);
  void clear();

  /// From the offset of its beginning on, what is in use of a block.
  struct Block {
    std::uint64_t offset = 0;
    std::span<const std::uint8_t> bytes;
  };
  std::vector<Block> blocks() const;
  /// Where the last block that is in use ends.
  std::uint64_t end() const;

 private:
  struct Store {
    FlatArray<std::uint8_t> bytes;
    std::uint64_t offset = 0;
    std::size_t used = 0;
  };
  std::pmr::memory_resource* memory_;
  std::vector<Store> stores_;
  std::size_t at_ = 0;  ///< The block that is being filled.
};

/// The views of a batch, to be made where Kokkos computes (kernels/device/views.hpp).
struct ViewPlan {
  explicit ViewPlan(std::pmr::memory_resource* memory = std::pmr::new_delete_resource())
      : pixels(memory), tasks(memory), taps(memory) {}

  PixelBlocks pixels;
  FlatArray<kernels::device::ViewTask> tasks;  ///< [views][samples]
  FlatArray<std::int32_t> taps;
  std::uint64_t scratch_bytes = 0;  ///< Of all tasks.

  /// Of `tasks` tasks that are still to be added; memory is kept.
  void begin(std::size_t count);
};

/// The plan of all views of one image.
struct PlannedImage {
  std::span<const std::uint8_t> pixels;          ///< What is to be uploaded.
  std::vector<kernels::device::ViewTask> tasks;  ///< One a view; places from 0, images of one sample.
  std::vector<std::int32_t> taps;
  std::uint64_t scratch_bytes = 0;
};

/// Plans the views of image after image in the same memory. One for each thread.
class ViewPlanner {
 public:
  /// An image with more bytes than `most_times` those of all its views is cut and resized on the host, so that a batch
  /// of photographs of any size takes a bounded memory: only the resized crops are uploaded then.
  explicit ViewPlanner(const ViewsConfig& config, std::uint64_t most_times = 4);

  /// Plans every view of an image with the draws of `parameters`, one a view, for the table of levels `normaliser`.
  /// Valid until the next call, and as long as `image`.
  const PlannedImage& plan(const Image& image, std::span<const ViewParameters> parameters, std::uint32_t normaliser);

 private:
  kernels::device::AxisTaps add_axis(int in, int out);
  void cut(const Image& image, std::span<const ViewParameters> parameters);

  const ViewsConfig config_;
  std::uint64_t bytes_of_views_ = 0;
  std::uint64_t most_bytes_ = 0;  ///< Of an image that is uploaded as it is.
  PlannedImage planned_;
  ResizeAxis axis_;
  std::vector<std::int32_t> weights_;  ///< Of one output.
  TurnedImage turned_;                 ///< The rest is for images that are cut on the host.
  Resizer resizer_;
  Planes crop_;
  std::vector<std::uint8_t> cut_;
};

/// The room of a planned image in a plan.
struct PlannedPlace {
  PixelBlocks::Place pixels;
  std::uint64_t taps = 0;
  std::uint64_t scratch = 0;
};

/// Makes room for an image, and adds its taps. Changes nothing that other images have.
PlannedPlace reserve(ViewPlan& plan, const PlannedImage& image);
/// Writes the pixels of an image and its tasks as those of sample `index` of `samples`. Different images may be written
/// at the same time, and others be given room.
void write(ViewPlan& plan, const PlannedPlace& place, const PlannedImage& image, std::size_t index,
           std::size_t samples);

}  // namespace msn
