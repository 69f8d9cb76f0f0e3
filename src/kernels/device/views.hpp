// SPDX-License-Identifier: Apache-2.0
// Makes the views of a batch from decoded images as a plan says (data/view_plan.hpp): the bytes of data/views before
// normalisation, then the same table of levels.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/device/space.hpp"
#include "kernels/pixel_functions.hpp"

namespace msn::kernels::device {

/// Same order as msn::ColourOperation.
enum class ColourStep : std::uint8_t { brightness, contrast, saturation, hue };
inline constexpr int colour_steps = 4;

/// The resize of one axis with n outputs: in the table of taps, from `at` on, n first inputs, n counts, then weights as
/// [tap][output], so that threads of neighbouring outputs read neighbouring numbers. An axis that keeps its size has
/// one tap of weight 1 an output, which changes no level.
struct AxisTaps {
  std::uint64_t at = 0;
};

/// All that one view is. The crop lies inside the image.
struct ViewTask {
  std::uint64_t pixels = 0;      ///< Where its image begins among the pixels: rows of interleaved RGB without gaps.
  std::int32_t image_width = 0;  ///< Pixels a row.
  std::int32_t top = 0;          ///< Of the crop, and so on.
  std::int32_t left = 0;
  std::int32_t height = 0;
  std::int32_t width = 0;
  std::int32_t size = 0;  ///< Pixels a side of the view.
  AxisTaps across;        ///< From the crop's width to the view's.
  AxisTaps down;
  bool down_first = false;  ///< Which of the two passes comes first.
  bool flip = false;
  bool jitter = false;  ///< Whether the colour steps are taken.
  bool grayscale = false;
  bool blur = false;
  std::uint8_t hue_shift = 0;
  std::array<ColourStep, colour_steps> order{};
  std::array<float, 3> factors{};  ///< Of brightness, contrast and saturation.
  BoxFilter box;                   ///< Of the blur.
  std::uint32_t normaliser = 0;    ///< Which table of levels.
  std::uint32_t group = 0;         ///< Of the outputs.
  std::uint32_t image = 0;         ///< In the group.
  std::uint64_t scratch = 0;       ///< Where scratch_bytes() of this task begin.
};

/// Bytes that a view needs while it is made: what lies between the passes of its resize, then two copies of it in turn.
inline std::uint64_t scratch_bytes(const ViewTask& task) {
  const auto size = static_cast<std::uint64_t>(task.size);
  const auto between = 3 * size * static_cast<std::uint64_t>(task.down_first ? task.width : task.height);
  const std::uint64_t view = 3 * size * size;
  return view + (between > view ? between : view);
}

/// What is read, in the memory where Kokkos computes.
template <class T>
struct ViewSource {
  const std::uint8_t* pixels = nullptr;  ///< All decoded images.
  const ViewTask* tasks = nullptr;       ///< [count]
  std::int32_t count = 0;
  const std::int32_t* taps = nullptr;
  const T* levels = nullptr;  ///< [normalisers][3][256]: what each level of a channel becomes.
};

/// Where the views of a group go: [images][visible][3 * patch²], values of a patch by channel, row, column.
template <class T>
struct ViewTarget {
  T* rows = nullptr;
  const std::int64_t* keep = nullptr;  ///< The patches that have a row; null: all, rising.
  std::int64_t keep_stride = 0;        ///< From one image's list to the next: `visible`, or 0 for one list for all.
  std::int32_t visible = 0;
};
template <class T>
using ViewTargets = std::array<ViewTarget<T>, 3>;

/// Makes all views of a plan, behind what `queue` was given before. `scratch` has room for all tasks' scratch_bytes().
/// Nothing is allocated or waited for. T is float, double or Bf16.
template <class T>
void make_views(const ViewSource<T>& source, int patch, const ViewTargets<T>& targets, std::uint8_t* scratch,
                Queue queue);

}  // namespace msn::kernels::device
