// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/layer_norm.hpp"

#include "kernels/device/arithmetic.hpp"
#include "kernels/device/column_sums.hpp"
#include "kernels/device/launch.hpp"

namespace msn::kernels::device {
namespace {

/// A warp has a row, which stays in the first cache between the passes over it. A lane reads what it wrote itself.
template <class T, int n>
struct AddLayerNormRow {
  AddLayerNorm<T> a;

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t row) const {
    using A = Accumulate<T>;
    const int packs = static_cast<int>(a.width / n);
    const T* x = a.x + row * a.width;
    const T* branch = a.branch == nullptr ? nullptr : a.branch + row * a.width;
    T* sum = a.sum + row * a.width;
    const A scale = branch == nullptr || a.row_scale == nullptr ? A(1) : a.row_scale[row];
    A of_lane = 0;
    over_lanes(team, packs, [&](int pack) {
      Pack<T, n> values = read_pack<n>(x, pack);
      if (branch != nullptr) {
        const Pack<T, n> added = read_pack<n>(branch, pack);
        const Pack<A, n> bias = read_pack<n>(a.branch_bias, pack);
        for (int i = 0; i < n; ++i)
          round_into(values.values[i], load(values.values[i]) + scale * (load(added.values[i]) + bias.values[i]));
      }
      if (branch != nullptr || sum != x) write_pack<n>(sum, pack, values);
      for (int i = 0; i < n; ++i)
        of_lane += load(values.values[i]);
    });
    const A mean = sum_lanes(team, of_lane) / static_cast<A>(a.width);
    of_lane = 0;
    over_lanes(team, packs, [&](int pack) {
      const Pack<T, n> values = read_pack<n>(sum, pack);
      for (int i = 0; i < n; ++i) {
        const A centred = load(values.values[i]) - mean;
        of_lane += centred * centred;
      }
    });
    const A rstd = A(1) / square_root(sum_lanes(team, of_lane) / static_cast<A>(a.width) + a.eps);
    over_lanes(team, 1, [&](int) {
      a.mean[row] = mean;
      a.rstd[row] = rstd;
    });
    normalise(team, {a.width, sum, nullptr, nullptr, a.weight, a.bias, a.normed + row * a.width}, mean, rstd);
  }

  /// One row, at the pointers.
  KOKKOS_FORCEINLINE_FUNCTION static void normalise(const Team& team, const LayerNormAgain<T>& of, Accumulate<T> mean,
                                                    Accumulate<T> rstd) {
    using A = Accumulate<T>;
    over_lanes(team, static_cast<int>(of.width / n), [&](int pack) {
      Pack<T, n> values = read_pack<n>(of.sum, pack);
      const Pack<A, n> weight = read_pack<n>(of.weight, pack), bias = read_pack<n>(of.bias, pack);
      for (int i = 0; i < n; ++i)
        round_into(values.values[i], (load(values.values[i]) - mean) * rstd * weight.values[i] + bias.values[i]);
      write_pack<n>(of.normed, pack, values);
    });
  }
};

template <class T, int n>
struct LayerNormAgainRow {
  LayerNormAgain<T> a;

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t row) const {
    LayerNormAgain<T> of = a;
    of.sum += row * a.width;
    of.normed += row * a.width;
    AddLayerNormRow<T, n>::normalise(team, of, a.mean[row], a.rstd[row]);
  }
};

/// The memory that a team may share: what every GPU gives without being asked for more.
constexpr std::int64_t kSharedBytes = 40 * 1024;
/// Warps of a team, each with sums of its own in shared memory; 0: not even those of one fit, and they lie in global
/// memory.
template <class A>
int sharing_warps(std::int64_t width, int arrays) {
  const std::int64_t of_warp = width * arrays * static_cast<std::int64_t>(sizeof(A));
  int warps = kWarps;
  while (warps * of_warp > kSharedBytes)
    warps /= 2;
  return warps;
}

/// A team has a block of rows, a warp every so many of them. Each warp adds up the columns of its rows, a lane always
/// the same columns; then the sums of the warps are added, in order.
// With x̂ = (x - mean) rstd and g = dnormed weight: dx = rstd (g - mean(g) - x̂ mean(g x̂)).
template <class T, int n>
struct BackwardBlock {
  using A = Accumulate<T>;
  LayerNormBackward<T> a;
  std::int64_t rows, block_rows;
  A* blocks;   ///< [blocks, arrays, width]
  int arrays;  ///< Gradients of weight, bias and, if there are three, branch bias.
  bool shares;

  KOKKOS_FUNCTION void operator()(const Team& team) const {
    const std::int64_t length = arrays * a.width;
    const int packs = static_cast<int>(a.width / n);
    const int warp = team.team_rank(), warps = team.team_size();
    A* block = blocks + team.league_rank() * length;
    A* shared = block;
    if (shares)
      shared = static_cast<A*>(team.team_scratch(0).get_shmem_aligned(warps * length * sizeof(A), alignof(Pack<A, n>)));
    A* sums = shared + warp * length;
    over_lanes(team, packs, [&](int pack) {
      for (int array = 0; array < arrays; ++array)
        write_pack<n>(sums + array * a.width, pack, Pack<A, n>{});
    });
    const std::int64_t first = team.league_rank() * block_rows;
    const std::int64_t end = first + block_rows < rows ? first + block_rows : rows;
    for (std::int64_t row = first + warp; row < end; row += warps)
      add_row(team, row, packs, sums);
    if (!shares) return;
    team.team_barrier();
    const int columns = static_cast<int>(length);
    for (int column = warp * kLanes; column < columns; column += warps * kLanes) {
      over_lanes(team, columns - column < kLanes ? columns - column : kLanes, [&](int lane) {
        A total = 0;
        for (int other = 0; other < warps; ++other)
          total += shared[other * length + column + lane];
        block[column + lane] = total;
      });
    }
  }

  KOKKOS_FORCEINLINE_FUNCTION void add_row(const Team& team, std::int64_t row, int packs, A* sums) const {
    const T* dnormed = a.dnormed + row * a.width;
    const T* x = a.sum + row * a.width;
    const A mean = a.mean[row], rstd = a.rstd[row];
    A total = 0, along = 0;
    over_lanes(team, packs, [&](int pack) {
      const Pack<T, n> gradients = read_pack<n>(dnormed, pack), inputs = read_pack<n>(x, pack);
      const Pack<A, n> weight = read_pack<n>(a.weight, pack);
      Pack<A, n> dweight = read_pack<n>(sums, pack), dbias = read_pack<n>(sums + a.width, pack);
      for (int i = 0; i < n; ++i) {
        const A unit = (load(inputs.values[i]) - mean) * rstd;
        const A gradient = load(gradients.values[i]);
        dweight.values[i] += gradient * unit;
        dbias.values[i] += gradient;
        total += gradient * weight.values[i];
        along += gradient * weight.values[i] * unit;
      }
      write_pack<n>(sums, pack, dweight);
      write_pack<n>(sums + a.width, pack, dbias);
    });
    const A mean_total = sum_lanes(team, total) / static_cast<A>(a.width);
    const A mean_along = sum_lanes(team, along) / static_cast<A>(a.width);
    const std::int64_t from = a.dskip == nullptr ? -1 : a.skip_row == nullptr ? row : a.skip_row[row];
    const T* dskip = from < 0 ? nullptr : a.dskip + from * a.width;
    const A scale = a.row_scale == nullptr ? A(1) : a.row_scale[row];
    over_lanes(team, packs, [&](int pack) {
      const Pack<T, n> gradients = read_pack<n>(dnormed, pack), inputs = read_pack<n>(x, pack);
      const Pack<A, n> weight = read_pack<n>(a.weight, pack);
      Pack<A, n> values;
      for (int i = 0; i < n; ++i) {
        const A unit = (load(inputs.values[i]) - mean) * rstd;
        values.values[i] = rstd * (load(gradients.values[i]) * weight.values[i] - mean_total - unit * mean_along);
      }
      if (dskip != nullptr) {
        const Pack<T, n> skipped = read_pack<n>(dskip, pack);
        for (int i = 0; i < n; ++i)
          values.values[i] += load(skipped.values[i]);
      }
      Pack<T, n> dx;
      for (int i = 0; i < n; ++i)
        round_into(dx.values[i], values.values[i]);
      write_pack<n>(a.dx + row * a.width, pack, dx);
      if (arrays == 3) {
        Pack<A, n> dbranch_bias = read_pack<n>(sums + 2 * a.width, pack);
        for (int i = 0; i < n; ++i)
          dbranch_bias.values[i] += scale * values.values[i];
        write_pack<n>(sums + 2 * a.width, pack, dbranch_bias);
      }
      if (a.dbranch != nullptr) {
        for (int i = 0; i < n; ++i)
          round_into(dx.values[i], scale * load(dx.values[i]));
        write_pack<n>(a.dbranch + row * a.width, pack, dx);
      }
    });
  }
};

}  // namespace

template <class T>
void add_layer_norm(Queue queue, std::int64_t rows, const AddLayerNorm<T>& arguments) {
  const AddLayerNorm<T>& a = arguments;
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("add_layer_norm", queue, rows, AddLayerNormRow<T, n>{a});
  };
  with_pack<T>(a.width, run, a.x, a.branch, a.branch_bias, a.sum, a.weight, a.bias, a.normed);
}

template <class T>
void layer_norm_again(Queue queue, std::int64_t rows, const LayerNormAgain<T>& arguments) {
  const LayerNormAgain<T>& a = arguments;
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("layer_norm_again", queue, rows, LayerNormAgainRow<T, n>{a});
  };
  with_pack<T>(a.width, run, a.sum, a.weight, a.bias, a.normed);
}

template <class T>
void layer_norm_backward(Queue queue, std::int64_t rows, const LayerNormBackward<T>& arguments, Accumulate<T>* dweight,
                         Accumulate<T>* dbias, Accumulate<T>* dbranch_bias, Accumulate<T>* scratch) {
  using A = Accumulate<T>;
  if (rows == 0) return;
  const LayerNormBackward<T>& a = arguments;
  const RowBlocks blocks(rows);
  const int arrays = dbranch_bias == nullptr ? 2 : 3;
  const int warps = sharing_warps<A>(a.width, arrays);
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    Policy policy(space_of(queue), league(blocks.count), std::max(warps, 1), kLanes);
    const std::int64_t bytes = warps * arrays * a.width * static_cast<std::int64_t>(sizeof(A));
    if (warps > 0) policy.set_scratch_size(0, Kokkos::PerTeam(static_cast<int>(bytes + alignof(Pack<A, n>))));
    Kokkos::parallel_for("layer_norm_backward", policy,
                         BackwardBlock<T, n>{a, rows, blocks.length, scratch, arrays, warps > 0});
  };
  with_pack<T>(a.width, run, a.dnormed, a.sum, a.weight, a.dskip, a.dx, a.dbranch, scratch);
  AddBlocks<A>{scratch, blocks.count, arrays, static_cast<int>(a.width), {dweight, dbias, dbranch_bias}, false}.launch(
      "layer_norm_backward sums", queue);
}

std::int64_t layer_norm_scratch(std::int64_t rows, std::int64_t width) {
  return RowBlocks(rows).count * 3 * width;
}

#define MSN_INSTANTIATE(T)                                                                               \
  template void add_layer_norm<T>(Queue, std::int64_t, const AddLayerNorm<T>&);                          \
  template void layer_norm_again<T>(Queue, std::int64_t, const LayerNormAgain<T>&);                      \
  template void layer_norm_backward<T>(Queue, std::int64_t, const LayerNormBackward<T>&, Accumulate<T>*, \
                                       Accumulate<T>*, Accumulate<T>*, Accumulate<T>*);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels::device
