// SPDX-License-Identifier: Apache-2.0
#include "kernels/embedding.hpp"

#include "kernels/embedding_rows.hpp"
#include "kernels/for_rows.hpp"

namespace msn::kernels {

template <class T>
void embed(const Embed<T>& arguments, InstructionSet set) {
  const auto run = MSN_FORMS(embed_image<T>).of(set);
  for_rows(arguments.images, [&](std::int64_t image) { run(arguments, image); });
}

template <class T>
void embed_backward(const EmbedBackward<T>& arguments, InstructionSet set) {
  const auto run = MSN_FORMS(embed_backward_token<T>).of(set);
  for_rows(arguments.tokens, [&](std::int64_t token) { run(arguments, token); });
}

#define MSN_INSTANTIATE(T)                                 \
  template void embed<T>(const Embed<T>&, InstructionSet); \
  template void embed_backward<T>(const EmbedBackward<T>&, InstructionSet);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels
