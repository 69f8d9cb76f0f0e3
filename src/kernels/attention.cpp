// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention.hpp"

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "kernels/attention_rows.hpp"
#include "kernels/for_rows.hpp"

namespace msn::kernels {
namespace {

struct FreeScratch {
  void operator()(std::byte* bytes) const { ::operator delete (bytes, std::align_val_t{kScratchAlignment}); }
};

/// Calls run(begin, end, scratch) for as many ranges of [0, pairs) as there are threads, in parallel; each has `bytes`
/// of scratch of its own, so that no thread has to allocate.
template <class Run>
void for_pairs(std::int64_t pairs, std::int64_t bytes, const Run& run) {
  const std::int64_t ranges = std::min<std::int64_t>(pairs, omp_get_max_threads());
  if (ranges == 0) return;
  const std::unique_ptr<std::byte, FreeScratch> scratch(static_cast<std::byte*>(
      ::operator new (static_cast<std::size_t>(ranges * bytes), std::align_val_t{kScratchAlignment})));
  for_rows(ranges, [&](std::int64_t range) {
    run(pairs * range / ranges, pairs * (range + 1) / ranges, scratch.get() + range * bytes);
  });
}

/// Adds the sums of all images, in order, to the gradients of the three biases.
template <class A>
void add_sums(const AttentionShape& shape, const std::vector<A>& sums, A* dq_bias, A* dk_bias, A* dv_bias) {
  A* const to[] = {dq_bias, dk_bias, dv_bias};
  const std::int64_t width = shape.head_width;
  for_rows(3 * shape.heads, [&](std::int64_t piece) {
    const std::int64_t which = piece / shape.heads, column = piece % shape.heads * width;
    for (std::int64_t image = 0; image < shape.images; ++image) {
      const A* from = sums.data() + (image * 3 + which) * shape.heads * width + column;
      for (std::int64_t i = 0; i < width; ++i)
        to[which][column + i] += from[i];
    }
  });
}

}  // namespace

template <class T>
void attention(const AttentionShape& shape, RowsOf<const T> q, RowsOf<const T> k, RowsOf<const T> v,
               const Accumulate<T>* q_bias, const Accumulate<T>* k_bias, const Accumulate<T>* v_bias, RowsOf<T> out,
               Accumulate<T>* log_sums, InstructionSet set) {
  const auto run = MSN_FORMS(attention<T>).of(set);
  const Attention<T> arguments{shape, q, k, v, q_bias, k_bias, v_bias, out, log_sums};
  for_pairs(shape.images * shape.heads, MSN_FORMS(attention_scratch<T>).of(set)(shape),
            [&](std::int64_t begin, std::int64_t end, void* scratch) { run(arguments, begin, end, scratch); });
}

template <class T>
void attention_backward(const AttentionShape& shape, RowsOf<const T> q, RowsOf<const T> k, RowsOf<const T> v,
                        const Accumulate<T>* q_bias, const Accumulate<T>* k_bias, const Accumulate<T>* v_bias,
                        RowsOf<const T> dout, const Accumulate<T>* log_sums, RowsOf<T> dq, RowsOf<T> dk, RowsOf<T> dv,
                        Accumulate<T>* dq_bias, Accumulate<T>* dk_bias, Accumulate<T>* dv_bias, InstructionSet set) {
  const auto run = MSN_FORMS(attention_backward<T>).of(set);
  std::vector<Accumulate<T>> sums(static_cast<std::size_t>(shape.images * 3 * shape.heads * shape.head_width));
  const AttentionBackward<T> arguments{shape, q, k, v, q_bias, k_bias, v_bias, dout, log_sums, dq, dk, dv, sums.data()};
  for_pairs(shape.images * shape.heads, MSN_FORMS(attention_backward_scratch<T>).of(set)(shape),
            [&](std::int64_t begin, std::int64_t end, void* scratch) { run(arguments, begin, end, scratch); });
  add_sums(shape, sums, dq_bias, dk_bias, dv_bias);
}

#define MSN_INSTANTIATE(T)                                                                                      \
  template void attention<T>(const AttentionShape&, RowsOf<const T>, RowsOf<const T>, RowsOf<const T>,          \
                             const Accumulate<T>*, const Accumulate<T>*, const Accumulate<T>*, RowsOf<T>,       \
                             Accumulate<T>*, InstructionSet);                                                   \
  template void attention_backward<T>(const AttentionShape&, RowsOf<const T>, RowsOf<const T>, RowsOf<const T>, \
                                      const Accumulate<T>*, const Accumulate<T>*, const Accumulate<T>*,         \
                                      RowsOf<const T>, const Accumulate<T>*, RowsOf<T>, RowsOf<T>, RowsOf<T>,   \
                                      Accumulate<T>*, Accumulate<T>*, Accumulate<T>*, InstructionSet);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels
