// SPDX-License-Identifier: Apache-2.0
#include "data/view_plan.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.hpp"
#include "data/blur.hpp"
#include "data/colour.hpp"
#include "data/views.hpp"

namespace msn {

using kernels::device::AxisTaps;
using kernels::device::ColourStep;
using kernels::device::ViewTask;

namespace {

/// Images begin at multiples of this, like what the memory is read by.
constexpr std::size_t kPixelAlignment = 64;

std::uint64_t bytes_of(const Image& image) {
  return std::uint64_t{3} * static_cast<std::uint64_t>(image.width) * static_cast<std::uint64_t>(image.height);
}

/// The kernel counts what lies between the passes of a resize by 32-bit numbers.
void check_counts(const ViewTask& task) {
  MSN_CHECK(std::int64_t{task.size} * std::max({task.size, task.width, task.height}) <
            std::numeric_limits<std::int32_t>::max());
}

void set_colours(const ViewParameters& parameters, ViewTask& task) {
  task.jitter = parameters.jitter;
  std::transform(parameters.order.begin(), parameters.order.end(), task.order.begin(),
                 [](ColourOperation operation) { return static_cast<ColourStep>(operation); });
  for (std::size_t i = 0; i < task.factors.size(); ++i)
    task.factors[i] = static_cast<float>(parameters.factors[i]);
  task.hue_shift = hue_steps(parameters.factors[static_cast<std::size_t>(ColourOperation::hue)]);
  task.grayscale = parameters.grayscale;
  task.blur = parameters.blur && parameters.radius > 0;
  if (task.blur) task.box = box_of(parameters.radius);
}

}  // namespace

PixelBlocks::Place PixelBlocks::take(std::size_t size) {
  size = (size + kPixelAlignment - 1) / kPixelAlignment * kPixelAlignment;
  const auto has_room = [&](const Store& store) { return store.used + size <= store.bytes.size(); };
  while (at_ < stores_.size() && !has_room(stores_[at_])) {
    if (stores_[at_].used == 0) {  // Kept from a batch of smaller images.
      stores_.erase(stores_.begin() + static_cast<std::ptrdiff_t>(at_), stores_.end());
      break;
    }
    ++at_;
  }
  if (at_ == stores_.size()) {
    Store store{FlatArray<std::uint8_t>(memory_), at_ == 0 ? 0 : stores_.back().offset + stores_.back().bytes.size()};
    store.bytes.resize(std::max(size, block_bytes));
    stores_.push_back(std::move(store));
  }
  Store& store = stores_[at_];
  const Place place{store.offset + store.used, store.bytes.data() + store.used};
  store.used += size;
  return place;
}

void PixelBlocks::clear() {
  for (Store& store : stores_)
    store.used = 0;
  at_ = 0;
}

std::vector<PixelBlocks::Block> PixelBlocks::blocks() const {
  std::vector<Block> blocks;
  for (const Store& store : stores_) {
    if (store.used > 0) blocks.push_back({store.offset, {store.bytes.data(), store.used}});
  }
  return blocks;
}

std::uint64_t PixelBlocks::end() const {
  std::uint64_t end = 0;
  for (const Block& block : blocks())
    end = block.offset + block.bytes.size();
  return end;
}

void ViewPlan::begin(std::size_t count) {
  pixels.clear();
  tasks.resize(count);
  taps.clear();
  scratch_bytes = 0;
}

ViewPlanner::ViewPlanner(const ViewsConfig& config, std::uint64_t most_times) : config_(config) {
  for (int view = 0; view < view_count(config); ++view) {
    const auto size = static_cast<std::uint64_t>(view_size(config, view));
    bytes_of_views_ += 3 * size * size;
  }
  most_bytes_ = most_times * bytes_of_views_;
}

AxisTaps ViewPlanner::add_axis(int in, int out) {
  std::vector<std::int32_t>& taps = planned_.taps;
  const AxisTaps added{taps.size()};
  const auto outputs = static_cast<std::size_t>(out);
  taps.resize(added.at + 2 * outputs);
  if (in == out) {
    for (std::size_t o = 0; o < outputs; ++o) {
      taps[added.at + o] = static_cast<std::int32_t>(o);
      taps[added.at + outputs + o] = 1;
    }
    taps.insert(taps.end(), outputs, std::int32_t{1} << kernels::resize_bits);
    return added;
  }
  axis_.assign(in, out, config_.interpolation);
  weights_.resize(axis_.most_taps());
  std::size_t most = 0;
  for (std::size_t o = 0; o < outputs; ++o) {
    const ResizeAxis::Range range = axis_.weigh(static_cast<int>(o), weights_);
    const auto count = static_cast<std::size_t>(range.count);
    taps[added.at + o] = range.first;
    taps[added.at + outputs + o] = range.count;
    if (count > most) {
      most = count;
      taps.resize(added.at + (2 + most) * outputs);
    }
    for (std::size_t tap = 0; tap < count; ++tap)
      taps[added.at + (2 + tap) * outputs + o] = weights_[tap];
  }
  return added;
}

/// Resized crops of all views one behind the other, as images of which each view is the whole.
void ViewPlanner::cut(const Image& image, std::span<const ViewParameters> parameters) {
  turned_.assign(image);
  cut_.resize(bytes_of_views_);
  std::uint8_t* to = cut_.data();
  for (std::size_t v = 0; v < planned_.tasks.size(); ++v) {
    ViewTask& task = planned_.tasks[v];
    resizer_.resized_crop(turned_, parameters[v].crop,
                          {task.size, task.size, config_.interpolation, config_.resize_order, parameters[v].flip},
                          crop_);
    task.pixels = static_cast<std::uint64_t>(to - cut_.data());
    task.image_width = task.width = task.height = task.size;
    for (std::size_t i = 0; i < crop_.pixels(); ++i) {
      for (std::size_t c = 0; c < 3; ++c)
        *to++ = crop_.plane(c)[i];
    }
    task.across = task.down = add_axis(task.size, task.size);
  }
  planned_.pixels = cut_;
}

const PlannedImage& ViewPlanner::plan(const Image& image, std::span<const ViewParameters> parameters,
                                      std::uint32_t normaliser) {
  const auto views = static_cast<std::size_t>(view_count(config_));
  MSN_CHECK(parameters.size() == views);
  planned_.taps.clear();
  planned_.scratch_bytes = 0;
  planned_.tasks.assign(views, {});
  const bool large = bytes_of(image) > most_bytes_;
  for (std::size_t v = 0; v < views; ++v) {
    ViewTask& task = planned_.tasks[v];
    task.size = view_size(config_, static_cast<int>(v));
    const std::size_t first_focal = 1 + static_cast<std::size_t>(config_.random);
    task.group = v == 0 ? 0 : v < first_focal ? 1 : 2;
    task.image = static_cast<std::uint32_t>(v == 0 ? 0 : v < first_focal ? v - 1 : v - first_focal);
    task.normaliser = normaliser;
    set_colours(parameters[v], task);
    if (large) continue;
    const CropBox& box = parameters[v].crop;
    MSN_CHECK(box.top >= 0 && box.left >= 0 && box.width > 0 && box.height > 0);
    MSN_CHECK(box.top + box.height <= image.height && box.left + box.width <= image.width);
    task.image_width = image.width;
    task.top = box.top;
    task.left = box.left;
    task.height = box.height;
    task.width = box.width;
    task.flip = parameters[v].flip;
    task.down_first = goes_vertically_first(box, {task.size, task.size, config_.interpolation, config_.resize_order});
    task.across = add_axis(box.width, task.size);
    task.down = add_axis(box.height, task.size);
  }
  planned_.pixels = image.rgb;
  if (large) cut(image, parameters);
  for (ViewTask& task : planned_.tasks) {
    check_counts(task);
    task.scratch = planned_.scratch_bytes;
    planned_.scratch_bytes += kernels::device::scratch_bytes(task);
  }
  return planned_;
}

PlannedPlace reserve(ViewPlan& plan, const PlannedImage& image) {
  PlannedPlace place;
  place.pixels = plan.pixels.take(image.pixels.size());
  place.taps = plan.taps.append(image.taps);
  place.scratch = plan.scratch_bytes;
  plan.scratch_bytes += image.scratch_bytes;
  return place;
}

void write(ViewPlan& plan, const PlannedPlace& place, const PlannedImage& image, std::size_t index,
           std::size_t samples) {
  std::memcpy(place.pixels.bytes, image.pixels.data(), image.pixels.size());
  for (std::size_t v = 0; v < image.tasks.size(); ++v) {
    ViewTask task = image.tasks[v];
    task.pixels += place.pixels.offset;
    task.across.at += place.taps;
    task.down.at += place.taps;
    task.scratch += place.scratch;
    task.image = static_cast<std::uint32_t>(task.image * samples + index);
    plan.tasks[v * samples + index] = task;
  }
}

}  // namespace msn
