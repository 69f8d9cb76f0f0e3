// SPDX-License-Identifier: Apache-2.0
// What embedding.cpp asks of every instruction set.
#pragma once

#include "kernels/embedding.hpp"

namespace msn::kernels {

MSN_DECLARE_FORMS(template <class T> void embed_image(const Embed<T>& a, std::int64_t image);
                  template <class T> void embed_backward_token(const EmbedBackward<T>& a, std::int64_t token);)

}  // namespace msn::kernels
