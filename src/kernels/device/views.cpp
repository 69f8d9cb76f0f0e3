// SPDX-License-Identifier: Apache-2.0
// One team makes one view from the crop to the rows of its patches. A batch of 64 images has 768 views, enough teams to
// fill a GPU several times over, and barriers inside a team cost less than the dozen launches over all views that would
// replace them. What lies between two passes goes through a piece of device memory of the view's own: a view of 224
// pixels has 147 KiB and a large crop more than that between its passes, too much for shared memory, while all pieces
// of the teams that run at once stay in the second-level cache. Threads of neighbouring numbers work on neighbouring
// columns, so that a warp reads and writes runs of bytes.
//
// Passes are merged as far as rounding allows: the second pass of the resize applies the colour steps up to the
// contrast and adds up the luma that this one needs; the rest of the colours is one pass; of the six passes of a blur,
// each of which must be rounded to 8 bits for all pixels before the next, the last one is computed where the rows are
// written, for the patches that are kept.
#include "kernels/device/views.hpp"

#include "kernels/device/launch.hpp"

namespace msn::kernels::device {

namespace {

/// One axis of a resize.
struct Axis {
  const std::int32_t* firsts;
  const std::int32_t* counts;
  const std::int32_t* weights;
  std::int32_t outputs;

  KOKKOS_FUNCTION Axis(const std::int32_t* taps, AxisTaps axis, std::int32_t outputs_)
      : firsts(taps + axis.at), counts(firsts + outputs_), weights(counts + outputs_), outputs(outputs_) {}

  /// Output `o` of inputs `step` bytes apart.
  KOKKOS_FUNCTION std::uint8_t level(std::int32_t o, const std::uint8_t* inputs, std::int64_t step) const {
    const std::uint8_t* from = inputs + firsts[o] * step;
    std::int32_t sum = resize_half;
    for (std::int32_t tap = 0; tap < counts[o]; ++tap, from += step)
      sum += weights[tap * outputs + o] * *from;
    return resized_level(sum);
  }
};

KOKKOS_FUNCTION void apply(const ViewTask& task, ColourStep step, int mean, Pixel& pixel) {
  std::uint8_t* levels = pixel.levels;
  switch (step) {
    case ColourStep::hue:
      pixel = shift_hue(pixel, task.hue_shift);
      return;
    case ColourStep::brightness:
      mean = 0;
      break;
    case ColourStep::saturation:
      mean = luma(levels[0], levels[1], levels[2]);
      break;
    case ColourStep::contrast:
      break;
  }
  for (int c = 0; c < 3; ++c)
    levels[c] = blend(mean, levels[c], task.factors[static_cast<std::size_t>(step)]);
}

/// Makes the view of its team's number.
template <class T>
struct MakeViews {
  ViewSource<T> source;
  ViewTargets<T> targets;
  std::uint8_t* scratch;
  std::int32_t patch;

  KOKKOS_FUNCTION void operator()(const Team& team) const {
    const ViewTask& task = source.tasks[team.league_rank()];
    const std::int32_t plane = task.size * task.size;
    std::uint8_t* view = scratch + task.scratch;
    std::uint8_t* other = view + 3 * static_cast<std::int64_t>(plane);
    resize_once(team, task, other);
    team.team_barrier();
    finish_resize_and_colour(team, task, other, view);
    team.team_barrier();
    if (task.blur) {
      for (int pass = 0; pass + 1 < 2 * blur_passes; ++pass) {
        blur_once(team, task, pass < blur_passes, view, other);
        team.team_barrier();
        std::uint8_t* const swapped = view;
        view = other;
        other = swapped;
      }
    }
    write_rows(team, task, view);
  }

  /// The first pass of the resize, from the image to the planes `between`: [3][height][size], or [3][size][width] if it
  /// goes down.
  KOKKOS_FUNCTION void resize_once(const Team& team, const ViewTask& task, std::uint8_t* between) const {
    const std::int64_t row = std::int64_t{3} * task.image_width;
    const std::uint8_t* crop = source.pixels + task.pixels + task.top * row + std::int64_t{3} * task.left;
    if (task.down_first) {
      const Axis down(source.taps, task.down, task.size);
      const std::int32_t width = task.width, levels = task.size * width;
      Kokkos::parallel_for(Kokkos::TeamThreadRange(team, levels), [&](std::int32_t i) {
        for (int c = 0; c < 3; ++c)
          between[c * static_cast<std::int64_t>(levels) + i] = down.level(i / width, crop + 3 * (i % width) + c, row);
      });
      return;
    }
    const Axis across(source.taps, task.across, task.size);
    const std::int32_t size = task.size, levels = task.height * size;
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, levels), [&](std::int32_t i) {
      const std::int32_t y = i / size, x = i % size;
      const std::int32_t to = y * size + (task.flip ? size - 1 - x : x);
      for (int c = 0; c < 3; ++c)
        between[c * static_cast<std::int64_t>(levels) + to] = across.level(x, crop + y * row + c, 3);
    });
  }

  /// The pixel at column x and row y after the second pass of the resize.
  KOKKOS_FUNCTION Pixel resize_again(const ViewTask& task, const Axis& axis, const std::uint8_t* between,
                                     std::int32_t y, std::int32_t x) const {
    Pixel pixel;
    if (task.down_first) {
      const std::int64_t levels = std::int64_t{task.size} * task.width;
      const std::int32_t from = task.flip ? task.size - 1 - x : x;
      for (int c = 0; c < 3; ++c)
        pixel.levels[c] = axis.level(from, between + c * levels + std::int64_t{y} * task.width, 1);
    } else {
      const std::int64_t levels = std::int64_t{task.height} * task.size;
      for (int c = 0; c < 3; ++c)
        pixel.levels[c] = axis.level(y, between + c * levels + x, task.size);
    }
    return pixel;
  }

  /// The second pass and all colours, into the planes `view`.
  KOKKOS_FUNCTION void finish_resize_and_colour(const Team& team, const ViewTask& task, const std::uint8_t* between,
                                                std::uint8_t* view) const {
    const Axis axis(source.taps, task.down_first ? task.across : task.down, task.size);
    const std::int32_t size = task.size, plane = size * size;
    int contrast = colour_steps;  // How many steps come before the first that needs the whole view.
    if (task.jitter) {
      contrast = 0;
      while (task.order[static_cast<std::size_t>(contrast)] != ColourStep::contrast)
        ++contrast;
    }
    std::uint64_t luma_sum = 0;
    Kokkos::parallel_reduce(
        Kokkos::TeamThreadRange(team, plane),
        [&](std::int32_t i, std::uint64_t& sum) {
          Pixel pixel = resize_again(task, axis, between, i / size, i % size);
          std::uint8_t* levels = pixel.levels;
          if (task.jitter) {
            for (int step = 0; step < contrast; ++step)
              apply(task, task.order[static_cast<std::size_t>(step)], 0, pixel);
            sum += luma(levels[0], levels[1], levels[2]);
          } else if (task.grayscale) {
            levels[0] = levels[1] = levels[2] = luma(levels[0], levels[1], levels[2]);
          }
          for (int c = 0; c < 3; ++c)
            view[c * static_cast<std::int64_t>(plane) + i] = levels[c];
        },
        luma_sum);
    if (!task.jitter) return;
    team.team_barrier();
    const int mean = mean_luma(luma_sum, static_cast<std::uint64_t>(plane));
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, plane), [&](std::int32_t i) {
      Pixel pixel;
      std::uint8_t* levels = pixel.levels;
      for (int c = 0; c < 3; ++c)
        levels[c] = view[c * static_cast<std::int64_t>(plane) + i];
      for (int step = contrast; step < colour_steps; ++step)
        apply(task, task.order[static_cast<std::size_t>(step)], mean, pixel);
      if (task.grayscale) levels[0] = levels[1] = levels[2] = luma(levels[0], levels[1], levels[2]);
      for (int c = 0; c < 3; ++c)
        view[c * static_cast<std::int64_t>(plane) + i] = levels[c];
    });
  }

  /// The level at column x and row y of a plane after one more pass of the blur.
  static KOKKOS_FUNCTION std::uint8_t blurred(const ViewTask& task, bool along_rows, const std::uint8_t* plane,
                                              std::int32_t y, std::int32_t x) {
    const std::int32_t size = task.size;
    const std::uint8_t* line = along_rows ? plane + y * size : plane + x;
    const std::int32_t step = along_rows ? 1 : size;
    return box_filtered(task.box, along_rows ? x : y, size, [line, step](int i) { return line[i * step]; });
  }

  KOKKOS_FUNCTION void blur_once(const Team& team, const ViewTask& task, bool along_rows, const std::uint8_t* from,
                                 std::uint8_t* to) const {
    const std::int32_t size = task.size, plane = size * size;
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, plane), [&](std::int32_t i) {
      for (int c = 0; c < 3; ++c) {
        const std::int64_t first = c * static_cast<std::int64_t>(plane);
        to[first + i] = blurred(task, along_rows, from + first, i / size, i % size);
      }
    });
  }

  /// The last pass of a blur, the table of levels, and the order of the patches.
  KOKKOS_FUNCTION void write_rows(const Team& team, const ViewTask& task, const std::uint8_t* view) const {
    const ViewTarget<T>& target = targets[task.group];
    const T* levels = source.levels + static_cast<std::int64_t>(task.normaliser) * 3 * 256;
    const std::int64_t* keep = target.keep ? target.keep + task.image * target.keep_stride : nullptr;
    const std::int32_t size = task.size, side = patch, square = side * side, grid = size / side;
    const std::int32_t values = target.visible * 3 * square;
    T* rows = target.rows + task.image * static_cast<std::int64_t>(values);
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, values), [&](std::int32_t i) {
      const std::int32_t row = i / (3 * square), c = i / square % 3;
      const std::int32_t number = keep ? static_cast<std::int32_t>(keep[row]) : row;
      const std::int32_t y = number / grid * side + i / side % side, x = number % grid * side + i % side;
      const std::uint8_t* plane = view + c * static_cast<std::int64_t>(size) * size;
      const std::uint8_t level = task.blur ? blurred(task, false, plane, y, x) : plane[y * size + x];
      rows[i] = levels[c * 256 + level];
    });
  }
};

}  // namespace

template <class T>
void make_views(const ViewSource<T>& source, int patch, const ViewTargets<T>& targets, std::uint8_t* scratch,
                Queue queue) {
  if (source.count == 0) return;
  Kokkos::parallel_for("msn::make_views", Policy(space_of(queue), source.count, Kokkos::AUTO),
                       MakeViews<T>{source, targets, scratch, patch});
}

template void make_views(const ViewSource<float>&, int, const ViewTargets<float>&, std::uint8_t*, Queue);
template void make_views(const ViewSource<double>&, int, const ViewTargets<double>&, std::uint8_t*, Queue);
template void make_views(const ViewSource<Bf16>&, int, const ViewTargets<Bf16>&, std::uint8_t*, Queue);

}  // namespace msn::kernels::device
