// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// A range of a flat buffer whose elements are updated alike.
struct UpdateRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool decays = false;        ///< Weight decay applies.
  double gradient_scale = 1;  ///< Gradients are multiplied by this first (clipping, means over ranks).
  bool averaged = false;      ///< The EMA target follows this range.
  double epsilon_scale = 1;   ///< AdamWStep::eps is multiplied by this.
};

struct AdamWStep {
  double lr = 0;
  double weight_decay = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  std::int64_t count = 1;   ///< This update's number, from 1, for the bias corrections.
  double ema_momentum = 1;  ///< target = momentum * target + (1 - momentum) * parameter, after the update.
};

/// Where the update of float32 values leaves them rounded to bfloat16, too: both of the length of the values they
/// shadow, or both empty.
struct Bf16Shadows {
  std::span<Bf16> parameters, target;
};

/// One pass over flat memory: AdamW with decoupled weight decay (Loshchilov, Hutter, arXiv 1711.05101, algorithm 2,
/// without the schedule multiplier; eps added after the bias correction) and, on ranges that are averaged, the EMA of
/// the parameters. All spans have the same length except `target`, which covers at least the averaged ranges; ranges
/// ascend and do not overlap. What lies outside of them stays as it is. T is float, or double without shadows. The bits
/// do not depend on the number of threads.
template <class T>
void adamw_ema(std::span<T> parameters, std::span<const T> gradients, std::span<T> exp_avg, std::span<T> exp_avg_sq,
               std::span<T> target, const std::vector<UpdateRange>& ranges, const AdamWStep& step,
               const Bf16Shadows& shadows = {}, InstructionSet set = instruction_set());

/// Bytes that adamw_ema<T>() reads and writes.
template <class T>
std::int64_t adamw_ema_bytes(const std::vector<UpdateRange>& ranges, bool shadows);

/// Rounds values to bfloat16 as adamw_ema() does for the shadows: to nearest, ties to even. The spans are equally long.
void round_to_bf16(std::span<const float> values, std::span<Bf16> rounded, InstructionSet set = instruction_set());

}  // namespace msn::kernels
