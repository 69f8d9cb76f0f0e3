// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/adamw.hpp"
#include "kernels/device/space.hpp"
#include "kernels/update_scalars.hpp"

namespace msn::kernels::device {

/// Elements of a flat buffer that are updated alike, and not too many: what a warp does.
struct UpdatePiece {
  std::int64_t begin, end;
  double gradient_scale;  ///< Of UpdateRange, without clipping.
  double epsilon_scale;
  bool decays, averaged;
  bool clipped;  ///< Gradients are multiplied by UpdateScalars::clip_factor, too.
};

/// A range and whether its gradients are clipped; its `gradient_scale` is without.
struct ClippableRange {
  UpdateRange range;
  bool clipped = false;
};

/// The ranges, which ascend and do not overlap, in pieces: made once a run, and copied to where Kokkos computes.
std::vector<UpdatePiece> update_pieces(const std::vector<ClippableRange>& ranges);

/// Flat buffers where Kokkos computes. T is float, or double without shadows.
template <class T>
struct AdamW {
  T* parameters;
  const T* gradients;
  T* exp_avg;
  T* exp_avg_sq;
  T* target;            ///< May be null if no piece is averaged.
  Bf16* shadow;         ///< Of the parameters; null: none.
  Bf16* target_shadow;  ///< Null if shadow is, or if no piece is averaged.
  double beta1, beta2, eps;
};

/// The update of kernels::adamw_ema() in one kernel, by what `scalars` says when the queue comes there: if `alive` is 0
/// it writes nothing. `pieces` and `scalars` lie where Kokkos computes. Returns when the kernel is on the queue;
/// allocates nothing and never waits.
template <class T>
void adamw_ema(Queue queue, const AdamW<T>& arguments, const UpdatePiece* pieces, std::int64_t count,
               const UpdateScalars* scalars);

}  // namespace msn::kernels::device
