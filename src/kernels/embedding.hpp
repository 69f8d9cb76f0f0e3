// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// Tokens of images [images, tokens, width] from their patches [images, tokens - 1, width]: the first token of an image
/// is table[0], the others are patches plus table's other rows. T is float, double or Bf16.
template <class T>
struct Embed {
  std::int64_t images, tokens, width;
  const T* patches;
  const Accumulate<T>* table;  ///< [tokens, width], or one for each image.
  bool table_per_image;
  T* out;
};
template <class T>
void embed(const Embed<T>& arguments, InstructionSet set = instruction_set());

/// Its gradients: dpatches [images, tokens - 1, width], and dtable [tokens, width], which sums over the images in
/// order.
template <class T>
struct EmbedBackward {
  std::int64_t images, tokens, width;
  const T* dout;
  T* dpatches;
  Accumulate<T>* dtable;  ///< Overwritten.
};
template <class T>
void embed_backward(const EmbedBackward<T>& arguments, InstructionSet set = instruction_set());

}  // namespace msn::kernels
