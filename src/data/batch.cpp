// SPDX-License-Identifier: Apache-2.0
#include "data/batch.hpp"

#include "base/error.hpp"
#include "data/views.hpp"

namespace msn {
namespace {

void shape_group(ViewRows& group, int first_view, int views, const VisiblePatches& visible, ViewsMade made,
                 const Batch& batch) {
  group.views = views;
  group.grid = views > 0 ? visible.grid(first_view) : 0;
  group.visible = views > 0 ? visible.count(first_view) : 0;
  const std::size_t images = static_cast<std::size_t>(views) * batch.samples.size();
  const std::size_t rows = made == ViewsMade::by_workers ? images * static_cast<std::size_t>(group.visible) : 0;
  group.rows.resize(rows * static_cast<std::size_t>(visible.patch_values()));
  group.keep.clear();
  if (views == 0 || !visible.is_masked(first_view)) return;
  if (visible.one_mask()) {
    group.keep.append(visible.of(first_view, batch.epoch, batch.position, batch.samples.front()));
    return;
  }
  for (int view = first_view; view < first_view + views; ++view) {
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      group.keep.append(visible.of(view, batch.epoch, batch.position + i, batch.samples[i]));
    }
  }
}

/// Number of the first image of a view in its group, and the group.
template <class AnyBatch>
auto place_of(AnyBatch& batch, int view) {
  struct Place {
    decltype(&batch.target) group;
    std::size_t first;
  };
  const auto at = [&](auto& group, int number) {
    MSN_CHECK(number < group.views);
    return Place{&group, static_cast<std::size_t>(number) * batch.samples.size()};
  };
  if (view == 0) return at(batch.target, 0);
  if (view <= batch.random.views) return at(batch.random, view - 1);
  return at(batch.focal, view - 1 - batch.random.views);
}

}  // namespace

void shape_batch(const ViewsConfig& views, const VisiblePatches& visible, ViewsMade made, Batch& batch) {
  shape_group(batch.target, 0, 1, visible, made, batch);
  shape_group(batch.random, 1, views.random, visible, made, batch);
  shape_group(batch.focal, 1 + views.random, views.focal, visible, made, batch);
  const auto views_of_sample = static_cast<std::size_t>(view_count(views));
  batch.plan.begin(made == ViewsMade::by_device ? views_of_sample * batch.samples.size() : 0);
}

std::span<float> rows_of(Batch& batch, int view, std::size_t index) {
  const auto place = place_of(batch, view);
  const std::size_t images = static_cast<std::size_t>(place.group->views) * batch.samples.size();
  const std::size_t values = place.group->rows.size() / images;
  return std::span(place.group->rows.data(), place.group->rows.size()).subspan((place.first + index) * values, values);
}

std::span<const std::int64_t> kept_of(const Batch& batch, int view, std::size_t index) {
  const auto place = place_of(batch, view);
  const std::span<const std::int64_t> keep(place.group->keep.data(), place.group->keep.size());
  const auto visible = static_cast<std::size_t>(place.group->visible);
  if (keep.size() <= visible) return keep;
  return keep.subspan((place.first + index) * visible, visible);
}

}  // namespace msn
