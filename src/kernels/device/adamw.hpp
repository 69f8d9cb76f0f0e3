// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/adamw.hpp"
#include "kernels/device/space.hpp"
#include "kernels/update_scalars.hpp"

namespace msn::kernels::device {

/// The ranges, which ascend and do not overlap, cut into pieces for a warp each: made once a run, and copied to where
/// Kokkos computes.
std::vector<UpdateRange> update_pieces(const std::vector<UpdateRange>& ranges);

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
/// it writes nothing; gradients of ranges that are averaged, the encoder's, are multiplied by `clip_factor`, too.
/// `pieces` and `scalars` lie where Kokkos computes. Returns when the kernel is on the queue; allocates nothing and
/// never waits.
template <class T>
void adamw_ema(Queue queue, const AdamW<T>& arguments, const UpdateRange* pieces, std::int64_t count,
               const UpdateScalars* scalars);

}  // namespace msn::kernels::device
