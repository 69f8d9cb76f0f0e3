// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/adamw.hpp"

#include <algorithm>

#include "kernels/device/arithmetic.hpp"
#include "kernels/device/launch.hpp"

namespace msn::kernels::device {
namespace {

/// Elements of the longest piece.
constexpr std::int64_t kPiece = 4096;

/// The update of a piece as numbers of T, as kernels::AdamWFactors.
template <class T>
struct Factors {
  T gradient_scale, one_minus_beta1, beta2, one_minus_beta2, eps, step_size, keep, momentum, one_minus_momentum;
};

template <class T>
KOKKOS_FORCEINLINE_FUNCTION Factors<T> factors(const AdamW<T>& a, const UpdateRange& piece, const UpdateScalars& now) {
  const double root_correction2 = square_root(now.correction2);
  return {static_cast<T>(piece.averaged ? piece.gradient_scale * now.clip_factor : piece.gradient_scale),
          static_cast<T>(1.0 - a.beta1),
          static_cast<T>(a.beta2),
          static_cast<T>(1.0 - a.beta2),
          static_cast<T>(a.eps * piece.epsilon_scale * root_correction2),
          static_cast<T>(now.lr / now.correction1 * root_correction2),
          piece.decays ? static_cast<T>(1.0 - now.lr * now.weight_decay) : T(1),
          static_cast<T>(now.ema_momentum),
          static_cast<T>(1.0 - now.ema_momentum)};
}

/// A warp has a piece.
template <class T, int n>
struct UpdateOfPiece {
  AdamW<T> a;
  const UpdateRange* pieces;
  const UpdateScalars* scalars;

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t index) const {
    const UpdateScalars now = *scalars;
    if (now.alive == 0) return;
    const UpdateRange piece = pieces[index];
    const Factors<T> by = factors(a, piece, now);
    const int length = static_cast<int>(piece.end - piece.begin);
    // Packs where the piece begins at one; what is left over, or all, one by one.
    const int packs = piece.begin % n == 0 ? length / n : 0;
    over_lanes(team, packs, [&](int pack) { update<n>(by, piece.averaged, piece.begin + pack * n); });
    over_lanes(team, length - packs * n, [&](int i) { update<1>(by, piece.averaged, piece.begin + packs * n + i); });
  }

  template <int count>
  KOKKOS_FORCEINLINE_FUNCTION void update(const Factors<T>& by, bool averaged, std::int64_t at) const {
    const Pack<T, count> gradients = read_pack<count>(a.gradients + at, 0);
    Pack<T, count> first = read_pack<count>(a.exp_avg + at, 0), second = read_pack<count>(a.exp_avg_sq + at, 0);
    Pack<T, count> parameters = read_pack<count>(a.parameters + at, 0);
    for (int i = 0; i < count; ++i) {
      const T gradient = gradients.values[i] * by.gradient_scale;
      first.values[i] += (gradient - first.values[i]) * by.one_minus_beta1;
      second.values[i] = second.values[i] * by.beta2 + by.one_minus_beta2 * gradient * gradient;
      parameters.values[i] =
          parameters.values[i] * by.keep - by.step_size * (first.values[i] / (square_root(second.values[i]) + by.eps));
    }
    write_pack<count>(a.exp_avg + at, 0, first);
    write_pack<count>(a.exp_avg_sq + at, 0, second);
    write_pack<count>(a.parameters + at, 0, parameters);
    shadow(a.shadow, at, parameters);
    if (!averaged) return;
    Pack<T, count> target = read_pack<count>(a.target + at, 0);
    for (int i = 0; i < count; ++i)
      target.values[i] = target.values[i] * by.momentum + by.one_minus_momentum * parameters.values[i];
    write_pack<count>(a.target + at, 0, target);
    shadow(a.target_shadow, at, target);
  }

  template <int count>
  KOKKOS_FORCEINLINE_FUNCTION static void shadow(Bf16* into, std::int64_t at, const Pack<T, count>& values) {
    if (into == nullptr) return;
    Pack<Bf16, count> rounded;
    for (int i = 0; i < count; ++i)
      round_into(rounded.values[i], static_cast<float>(values.values[i]));
    write_pack<count>(into + at, 0, rounded);
  }
};

}  // namespace

std::vector<UpdateRange> update_pieces(const std::vector<UpdateRange>& ranges) {
  std::vector<UpdateRange> pieces;
  std::int64_t done = 0;
  for (const UpdateRange& range : ranges) {
    MSN_CHECK(range.begin >= done && range.end >= range.begin);
    for (std::int64_t begin = range.begin; begin < range.end; begin += kPiece) {
      pieces.push_back(range);
      pieces.back().begin = begin;
      pieces.back().end = std::min(begin + kPiece, range.end);
    }
    done = range.end;
  }
  return pieces;
}

template <class T>
void adamw_ema(Queue queue, const AdamW<T>& arguments, const UpdateRange* pieces, std::int64_t count,
               const UpdateScalars* scalars) {
  const AdamW<T>& a = arguments;
  MSN_CHECK(a.shadow == nullptr || sizeof(T) == sizeof(float));
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("adamw_ema", queue, count, UpdateOfPiece<T, n>{a, pieces, scalars});
  };
  with_pack<T>(kPiece, run, a.parameters, a.gradients, a.exp_avg, a.exp_avg_sq, a.target, a.shadow, a.target_shadow);
}

template void adamw_ema<float>(Queue, const AdamW<float>&, const UpdateRange*, std::int64_t, const UpdateScalars*);
template void adamw_ema<double>(Queue, const AdamW<double>&, const UpdateRange*, std::int64_t, const UpdateScalars*);

}  // namespace msn::kernels::device
