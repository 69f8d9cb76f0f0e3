// SPDX-License-Identifier: Apache-2.0
// The life of Kokkos in a process. The kernels of this folder run within it only.
#pragma once

#include "kernels/device/space.hpp"

namespace msn::kernels::device {

/// Starts Kokkos and ends it: one a process, in main() or around the tests, after MPI and before any work of LibTorch
/// on the GPU; whatever holds a stream of the GPU that kernels went on ends before it does. Who computes with the rows
/// of the CPU alone needs none, and pays nothing. Prints nothing.
///
/// A Kokkos whose host back end is OpenMP sets the number of threads of the whole process: set LibTorch's after it.
class KokkosSession {
 public:
  /// On the GPU of that number among those that this process sees; of no meaning where Kokkos computes in host memory.
  explicit KokkosSession(int gpu);
  ~KokkosSession();
  KokkosSession(const KokkosSession&) = delete;
  KokkosSession& operator=(const KokkosSession&) = delete;
};

/// Makes ready what kernels need to go on that stream: before a CUDA graph is captured from it, if no kernel of this
/// folder went on it before.
void prepare(Queue queue);

}  // namespace msn::kernels::device
