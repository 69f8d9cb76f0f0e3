// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/embedding.hpp"

#include "kernels/device/arithmetic.hpp"
#include "kernels/device/column_sums.hpp"
#include "kernels/device/launch.hpp"

namespace msn::kernels::device {
namespace {

/// A warp has a token.
template <class T, int n>
struct EmbedToken {
  Embed<T> a;

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t index) const {
    const std::int64_t image = index / a.tokens, token = index % a.tokens;
    const Accumulate<T>* table = a.table + (a.table_per_image ? index : token) * a.width;
    const T* patches = token == 0 ? nullptr : a.patches + (image * (a.tokens - 1) + token - 1) * a.width;
    over_lanes(team, static_cast<int>(a.width / n), [&](int pack) {
      const Pack<Accumulate<T>, n> added = read_pack<n>(table, pack);
      Pack<T, n> values{};
      if (patches != nullptr) values = read_pack<n>(patches, pack);
      for (int i = 0; i < n; ++i)
        round_into(values.values[i], patches == nullptr ? added.values[i] : load(values.values[i]) + added.values[i]);
      write_pack<n>(a.out + index * a.width, pack, values);
    });
  }
};

/// Images are rows of tokens times width columns here. A lane has a pack of columns and goes down a block of images.
template <class T, int n>
struct BackwardColumns {
  using A = Accumulate<T>;
  EmbedBackward<T> a;
  std::int64_t block_images;
  A* blocks;  ///< [blocks, tokens, width]

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t index) const {
    const std::int64_t columns = a.tokens * a.width, of_patches = columns - a.width;
    for_each_pack<n>(team, index, columns, [&](std::int64_t block, std::int64_t pack) {
      Pack<A, n> sums{};
      const std::int64_t first = block * block_images;
      const std::int64_t end = first + block_images < a.images ? first + block_images : a.images;
      const std::int64_t patch_pack = pack - a.width / n;
      for (std::int64_t image = first; image < end; ++image) {
        const Pack<T, n> gradients = read_pack<n>(a.dout + image * columns, pack);
        for (int i = 0; i < n; ++i)
          sums.values[i] += load(gradients.values[i]);
        if (patch_pack >= 0) write_pack<n>(a.dpatches + image * of_patches, patch_pack, gradients);
      }
      write_pack<n>(blocks + block * columns, pack, sums);
    });
  }
};

}  // namespace

template <class T>
void embed(Queue queue, const Embed<T>& arguments) {
  const Embed<T>& a = arguments;
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("embed", queue, a.images * a.tokens, EmbedToken<T, n>{a});
  };
  with_pack<T>(a.width, run, a.patches, a.table, a.out);
}

template <class T>
void embed_backward(Queue queue, const EmbedBackward<T>& arguments, Accumulate<T>* scratch) {
  const EmbedBackward<T>& a = arguments;
  const RowBlocks blocks(a.images);
  const std::int64_t columns = a.tokens * a.width;
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("embed_backward", queue, blocks.count * pack_warps<n>(columns),
                  BackwardColumns<T, n>{a, blocks.length, scratch});
  };
  with_pack<T>(a.width, run, a.dout, a.dpatches, scratch);
  AddBlocks<Accumulate<T>>{scratch, blocks.count, 1, static_cast<int>(columns), {a.dtable}, true}.launch(
      "embed_backward sums", queue);
}

std::int64_t embed_scratch(std::int64_t images, std::int64_t tokens, std::int64_t width) {
  return RowBlocks(images).count * tokens * width;
}

#define MSN_INSTANTIATE(T)                        \
  template void embed<T>(Queue, const Embed<T>&); \
  template void embed_backward<T>(Queue, const EmbedBackward<T>&, Accumulate<T>*);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels::device
