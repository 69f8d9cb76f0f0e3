// SPDX-License-Identifier: Apache-2.0
#include "data/view_plan.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "base/error.hpp"
#include "data/views.hpp"

namespace msn {
namespace {

using kernels::device::AxisTaps;
using kernels::device::ViewTask;

ViewsConfig small_views() {
  ViewsConfig views;
  views.random = 2;
  views.focal = 1;
  views.random_size = 12;
  views.focal_size = 5;
  return views;
}

Image image_of(int width, int height) {
  Image image{width, height, {}};
  image.rgb.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  std::iota(image.rgb.begin(), image.rgb.end(), std::uint8_t{0});
  return image;
}

std::vector<ViewParameters> whole(const Image& image, const ViewsConfig& views) {
  std::vector<ViewParameters> parameters(static_cast<std::size_t>(view_count(views)));
  for (ViewParameters& view : parameters)
    view.crop = {0, 0, image.height, image.width};
  return parameters;
}

/// Weights of each output add up to about one, and no tap lies outside the input. Returns the number of taps.
int check_axis(const std::vector<std::int32_t>& taps, AxisTaps axis, int in, int out) {
  const auto at = [&](std::size_t i) { return taps.at(axis.at + i); };
  const auto outputs = static_cast<std::size_t>(out);
  int most = 0;
  for (std::size_t o = 0; o < outputs; ++o) {
    const std::int32_t first = at(o), count = at(outputs + o);
    EXPECT_GE(first, 0);
    EXPECT_GE(count, 1);
    EXPECT_LE(first + count, in);
    std::int64_t sum = 0;
    for (std::int32_t tap = 0; tap < count; ++tap)
      sum += at((2 + static_cast<std::size_t>(tap)) * outputs + o);
    EXPECT_NEAR(static_cast<double>(sum), 1 << kernels::resize_bits, count);
    most = std::max(most, count);
  }
  return most;
}

TEST(ViewPlanner, PlansEveryViewOfAnImage) {
  const ViewsConfig views = small_views();
  const Image image = image_of(31, 20);
  std::vector<ViewParameters> parameters = whole(image, views);
  parameters[1].crop = {3, 4, 10, 12};
  parameters[1].flip = true;
  parameters[1].jitter = true;
  parameters[1].order = {ColourOperation::hue, ColourOperation::contrast, ColourOperation::brightness,
                         ColourOperation::saturation};
  parameters[1].factors = {0.5, 1.5, 1.25, -0.1};
  parameters[2].grayscale = true;
  parameters[3].blur = true;
  parameters[3].radius = 1.5f;
  ViewPlanner planner(views);
  const PlannedImage& planned = planner.plan(image, parameters, 7);

  EXPECT_EQ(planned.pixels.data(), image.rgb.data());
  EXPECT_EQ(planned.pixels.size(), image.rgb.size());
  ASSERT_EQ(planned.tasks.size(), 4u);
  std::uint64_t scratch = 0;
  constexpr std::array<std::uint32_t, 4> groups{0, 1, 1, 2}, images{0, 0, 1, 0};
  for (std::size_t v = 0; v < 4; ++v) {
    const ViewTask& task = planned.tasks[v];
    EXPECT_EQ(task.pixels, 0u);
    EXPECT_EQ(task.image_width, 31);
    EXPECT_EQ(task.size, v < 3 ? 12 : 5);
    EXPECT_EQ(task.normaliser, 7u);
    EXPECT_EQ(task.group, groups[v]);
    EXPECT_EQ(task.image, images[v]);
    EXPECT_EQ(task.scratch, scratch);
    scratch += kernels::device::scratch_bytes(task);
    EXPECT_GE(check_axis(planned.taps, task.across, task.width, task.size), 1);
    EXPECT_GE(check_axis(planned.taps, task.down, task.height, task.size), 1);
    EXPECT_EQ(task.jitter, v == 1);
    EXPECT_EQ(task.grayscale, v == 2);
    EXPECT_EQ(task.blur, v == 3);
  }
  EXPECT_EQ(planned.scratch_bytes, scratch);
  const ViewTask& crop = planned.tasks[1];
  EXPECT_EQ((std::array{crop.top, crop.left, crop.height, crop.width}), (std::array{3, 4, 10, 12}));
  EXPECT_TRUE(crop.flip);
  EXPECT_EQ(crop.order[0], kernels::device::ColourStep::hue);
  EXPECT_EQ(crop.factors, (std::array{0.5f, 1.5f, 1.25f}));
  EXPECT_EQ(crop.hue_shift, 231);  // -25 of 256.
  // An axis that keeps its size: one tap of weight 1.
  EXPECT_EQ(check_axis(planned.taps, crop.across, 12, 12), 1);
  EXPECT_EQ(planned.taps[crop.across.at + 2 * 12], 1 << kernels::resize_bits);
  EXPECT_EQ(planned.tasks[3].box.whole, 1);
}

TEST(ViewPlanner, TakesAnyBoxInsideTheImageAndNoOther) {
  const ViewsConfig views = small_views();
  const Image image = image_of(9, 300);
  std::vector<ViewParameters> parameters = whole(image, views);
  ViewPlanner planner(views, 1000);
  for (const CropBox& box :
       {CropBox{299, 8, 1, 1}, CropBox{0, 0, 300, 9}, CropBox{0, 3, 300, 1}, CropBox{7, 0, 12, 9}}) {
    parameters[2].crop = box;
    const PlannedImage& planned = planner.plan(image, parameters, 0);
    const ViewTask& task = planned.tasks[2];
    check_axis(planned.taps, task.across, box.width, task.size);
    check_axis(planned.taps, task.down, box.height, task.size);
    const std::uint64_t between = 3 * 12 * static_cast<std::uint64_t>(box.height);
    EXPECT_EQ(kernels::device::scratch_bytes(task), 3 * 144 + std::max<std::uint64_t>(between, 3 * 144));
  }
  for (const CropBox& box : {CropBox{299, 8, 2, 1}, CropBox{-1, 0, 5, 5}, CropBox{0, 0, 0, 5}, CropBox{0, 5, 5, 5}}) {
    parameters[2].crop = box;
    EXPECT_THROW(planner.plan(image, parameters, 0), Error);
  }
}

TEST(ViewPlanner, GoesDownFirstByTheRuleOfPillow13) {
  ViewsConfig views = small_views();
  const Image image = image_of(13, 100);
  const auto parameters = whole(image, views);
  EXPECT_EQ(ViewPlanner(views, 1000).plan(image, parameters, 0).tasks[0].down_first,
            views.resize_order == ResizeOrder::pillow13);
  views.resize_order = ResizeOrder::pillow13;
  ViewPlanner planner(views, 1000);
  const ViewTask task = planner.plan(image, parameters, 0).tasks[0];
  EXPECT_TRUE(task.down_first);
  EXPECT_EQ(kernels::device::scratch_bytes(task), 3u * 144 + 3 * 12 * 13);
}

TEST(ViewPlanner, CutsALargeImageOnTheHost) {
  const ViewsConfig views = small_views();
  const std::size_t bytes_of_views = 3 * (3 * 12 * 12 + 5 * 5);
  const Image fits = image_of(457, 4);  // 4 * 1371 / 3 pixels hold three bytes each.
  const Image large = image_of(458, 4);
  ViewPlanner planner(views);
  EXPECT_EQ(planner.plan(fits, whole(fits, views), 0).pixels.data(), fits.rgb.data());
  const PlannedImage& planned = planner.plan(large, whole(large, views), 0);
  EXPECT_EQ(planned.pixels.size(), bytes_of_views);
  std::uint64_t place = 0;
  for (const ViewTask& task : planned.tasks) {
    EXPECT_EQ(task.pixels, place);
    EXPECT_EQ((std::array{task.image_width, task.width, task.height}), (std::array{task.size, task.size, task.size}));
    place += 3 * static_cast<std::uint64_t>(task.size * task.size);
  }
}

TEST(ViewPlan, PutsImagesOneBehindTheOther) {
  const ViewsConfig views = small_views();
  ViewPlanner planner(views);
  ViewPlan plan;
  for (int round = 0; round < 2; ++round) {
    plan.begin(3 * 4);
    std::vector<Image> images{image_of(20, 10), image_of(1, 1), image_of(30, 7)};
    std::uint64_t scratch = 0, taps = 0;
    for (const std::size_t index : {2u, 0u, 1u}) {
      const PlannedImage& planned = planner.plan(images[index], whole(images[index], views), 0);
      const PlannedPlace place = reserve(plan, planned);
      write(plan, place, planned, index, 3);
      for (std::size_t v = 0; v < 4; ++v) {
        const ViewTask& task = plan.tasks[v * 3 + index];
        EXPECT_EQ(task.pixels, place.pixels.offset);
        EXPECT_EQ(task.across.at, planned.tasks[v].across.at + taps);
        EXPECT_EQ(task.down.at, planned.tasks[v].down.at + taps);
        EXPECT_EQ(task.scratch, planned.tasks[v].scratch + scratch);
        EXPECT_EQ(task.image, planned.tasks[v].image * 3 + index);
      }
      EXPECT_TRUE(std::equal(images[index].rgb.begin(), images[index].rgb.end(), place.pixels.bytes));
      scratch += planned.scratch_bytes;
      taps += planned.taps.size();
    }
    EXPECT_EQ(plan.scratch_bytes, scratch);
    EXPECT_EQ(plan.taps.size(), taps);
    ASSERT_EQ(plan.pixels.blocks().size(), 1u);
    EXPECT_LE(plan.pixels.end(), 640u + 64 + 640);
  }
}

TEST(PixelBlocks, GrowWithoutMovingWhatTheyHandedOut) {
  PixelBlocks blocks;
  constexpr std::size_t half = PixelBlocks::block_bytes / 2;
  const auto first = blocks.take(half - 1);
  const auto second = blocks.take(half);
  const auto third = blocks.take(half + 1);
  const auto large = blocks.take(3 * half);
  EXPECT_EQ(first.offset, 0u);
  EXPECT_EQ(second.offset, half);
  EXPECT_EQ(third.offset, 2 * half);
  EXPECT_EQ(large.offset, 4 * half);
  EXPECT_EQ(second.bytes, first.bytes + half);
  EXPECT_EQ(blocks.end(), 7 * half);
  ASSERT_EQ(blocks.blocks().size(), 3u);
  EXPECT_EQ(blocks.blocks()[2].bytes.data(), large.bytes);

  blocks.clear();
  EXPECT_TRUE(blocks.blocks().empty());
  EXPECT_EQ(blocks.end(), 0u);
  EXPECT_EQ(blocks.take(1).bytes, first.bytes);
  // The block that was made for a larger image serves others, and one that is too small for the next goes.
  EXPECT_EQ(blocks.take(5 * half).offset, 2 * half);
}

TEST(FlatArray, KeepsItsMemoryAndTakesItAlong) {
  struct Counted : std::pmr::memory_resource {
    int held = 0, taken = 0;
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      ++held, ++taken;
      return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
      --held;
      std::pmr::new_delete_resource()->deallocate(place, bytes, alignment);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  } memory;
  {
    FlatArray<int> array(&memory);
    EXPECT_EQ(array.append(std::array{1, 2, 3}), 0u);
    EXPECT_EQ(array.append(std::array{4}), 3u);
    EXPECT_EQ(array, (std::vector{1, 2, 3, 4}));
    const int taken = memory.taken;
    array.resize(2);
    array.clear();
    array.resize(4);
    EXPECT_EQ(memory.taken, taken);
    FlatArray<int> other;
    other = std::move(array);
    EXPECT_EQ(other.size(), 4u);
    other.resize(100);
    EXPECT_EQ(memory.held, 1);
    EXPECT_EQ(memory.taken, taken + 1);
  }
  EXPECT_EQ(memory.held, 0);
}

}  // namespace
}  // namespace msn
