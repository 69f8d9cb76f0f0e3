// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/gelu.hpp"

#include "kernels/device/arithmetic.hpp"
#include "kernels/device/column_sums.hpp"
#include "kernels/device/launch.hpp"

namespace msn::kernels::device {
namespace {

template <class T, int n>
struct BiasGeluRow {
  std::int64_t width;
  const T* x;
  const Accumulate<T>* bias;
  T* activated;

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t row) const {
    const T* from = x + row * width;
    T* to = activated + row * width;
    over_lanes(team, static_cast<int>(width / n), [&](int pack) {
      Pack<T, n> values = read_pack<n>(from, pack);
      const Pack<Accumulate<T>, n> added = read_pack<n>(bias, pack);
      for (int i = 0; i < n; ++i) {
        const Accumulate<T> value = load(values.values[i]) + added.values[i];
        round_into(values.values[i], value * normal_for<T>(value).cumulative);
      }
      write_pack<n>(to, pack, values);
    });
  }
};

/// A lane has a pack of columns and goes down a block of rows.
template <class T, int n>
struct BackwardColumns {
  using A = Accumulate<T>;
  std::int64_t rows, block_rows, width;
  const T* dactivated;
  const T* x;
  const A* bias;
  T* dx;
  T* activated;
  A* blocks;  ///< [blocks, width]

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t index) const {
    for_each_pack<n>(team, index, width, [&](std::int64_t block, std::int64_t pack) {
      const Pack<A, n> added = read_pack<n>(bias, pack);
      Pack<A, n> sums{};
      const std::int64_t first = block * block_rows;
      const std::int64_t end = first + block_rows < rows ? first + block_rows : rows;
      for (std::int64_t row = first; row < end; ++row) {
        Pack<T, n> inputs = read_pack<n>(x + row * width, pack);
        Pack<T, n> gradients = read_pack<n>(dactivated + row * width, pack);
        for (int i = 0; i < n; ++i) {
          const A value = load(inputs.values[i]) + added.values[i];
          const Normal<A> at = normal_for<T>(value);
          const A gradient = load(gradients.values[i]) * (at.cumulative + value * at.density);
          round_into(inputs.values[i], value * at.cumulative);
          round_into(gradients.values[i], gradient);
          sums.values[i] += gradient;
        }
        if (activated != nullptr) write_pack<n>(activated + row * width, pack, inputs);
        write_pack<n>(dx + row * width, pack, gradients);
      }
      write_pack<n>(blocks + block * width, pack, sums);
    });
  }
};

}  // namespace

template <class T>
void bias_gelu(Queue queue, std::int64_t rows, std::int64_t width, const T* x, const Accumulate<T>* bias,
               T* activated) {
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("bias_gelu", queue, rows, BiasGeluRow<T, n>{width, x, bias, activated});
  };
  with_pack<T>(width, run, x, bias, activated);
}

template <class T>
void bias_gelu_backward(Queue queue, std::int64_t rows, std::int64_t width, const T* dactivated, const T* x,
                        const Accumulate<T>* bias, T* dx, Accumulate<T>* dbias, T* activated, Accumulate<T>* scratch) {
  if (rows == 0) return;
  const RowBlocks blocks(rows);
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("bias_gelu_backward", queue, blocks.count * pack_warps<n>(width),
                  BackwardColumns<T, n>{rows, blocks.length, width, dactivated, x, bias, dx, activated, scratch});
  };
  with_pack<T>(width, run, dactivated, x, bias, dx, activated, scratch);
  AddBlocks<Accumulate<T>>{scratch, blocks.count, 1, static_cast<int>(width), {dbias}, false}.launch(
      "bias_gelu_backward sums", queue);
}

std::int64_t gelu_scratch(std::int64_t rows, std::int64_t width) {
  return RowBlocks(rows).count * width;
}

#define MSN_INSTANTIATE(T)                                                                                             \
  template void bias_gelu<T>(Queue, std::int64_t, std::int64_t, const T*, const Accumulate<T>*, T*);                   \
  template void bias_gelu_backward<T>(Queue, std::int64_t, std::int64_t, const T*, const T*, const Accumulate<T>*, T*, \
                                      Accumulate<T>*, T*, Accumulate<T>*);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels::device
