// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/device/space.hpp"
#include "kernels/embedding.hpp"

namespace msn::kernels::device {

/// As the functions of these names in kernels/embedding.hpp, in the memory where Kokkos computes; dtable sums over
/// blocks of images. They return when their kernels are on the queue, allocate nothing and never wait. The same bits in
/// every run.
template <class T>
void embed(Queue queue, const Embed<T>& arguments);

/// `scratch`: embed_scratch() values that nobody else uses until the queue is past this.
template <class T>
void embed_backward(Queue queue, const EmbedBackward<T>& arguments, Accumulate<T>* scratch);
std::int64_t embed_scratch(std::int64_t images, std::int64_t tokens, std::int64_t width);

}  // namespace msn::kernels::device
