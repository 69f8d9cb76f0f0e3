// SPDX-License-Identifier: Apache-2.0
// Where Kokkos computes in this build. This folder's headers name neither Kokkos nor LibTorch nor CUDA.
#pragma once

#include <string>

namespace msn::kernels::device {

/// Whether the kernels of this folder run on a GPU (Kokkos with CUDA) or in host memory (any other Kokkos).
bool computes_on_gpu();

/// "Kokkos 4.7.1, Cuda": for logs.
std::string space_name();

/// A stream of the GPU that kernels go on (cudaStream_t), in their order; nullptr and ignored where Kokkos computes in
/// host memory: kernels are done there when they return.
using Queue = void*;

}  // namespace msn::kernels::device
