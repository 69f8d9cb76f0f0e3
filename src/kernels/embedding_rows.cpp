// SPDX-License-Identifier: Apache-2.0
#include "kernels/embedding_rows.hpp"

#include "kernels/row_math.hpp"

namespace msn::kernels::MSN_ISA {

template <class T>
void embed_image(const Embed<T>& a, std::int64_t image) {
  const std::int64_t width = a.width;
  T* out = a.out + image * a.tokens * width;
  const Accumulate<T>* table = a.table + (a.table_per_image ? image * a.tokens * width : 0);
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i)
    store(out[i], table[i]);
  const T* patches = a.patches + image * (a.tokens - 1) * width;
  out += width;
  table += width;
#pragma omp simd
  for (std::int64_t i = 0; i < (a.tokens - 1) * width; ++i)
    store(out[i], load(patches[i]) + table[i]);
}

template <class T>
void embed_backward_token(const EmbedBackward<T>& a, std::int64_t token) {
  const std::int64_t width = a.width;
  Accumulate<T>* dtable = a.dtable + token * width;
  for (std::int64_t i = 0; i < width; ++i)
    dtable[i] = 0;
  for (std::int64_t image = 0; image < a.images; ++image) {
    const T* dout = a.dout + (image * a.tokens + token) * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i)
      dtable[i] += load(dout[i]);
    if (token == 0) continue;
    T* dpatches = a.dpatches + (image * (a.tokens - 1) + token - 1) * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i)
      dpatches[i] = dout[i];
  }
}

#define MSN_INSTANTIATE(T)                                     \
  template void embed_image<T>(const Embed<T>&, std::int64_t); \
  template void embed_backward_token<T>(const EmbedBackward<T>&, std::int64_t);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels::MSN_ISA
