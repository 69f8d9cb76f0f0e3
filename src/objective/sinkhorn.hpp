// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"

namespace msn {

/// Sinkhorn-Knopp balancing of the targets over the global batch (Cuturi, arXiv 1306.0895; Caron et al., arXiv
/// 2006.09882). `targets` [rows, K], positive, this rank's share; returns the balanced share, whose rows sum to 1 while
/// over all ranks every prototype gets nearly the same mass. `total`, float64 [] beside them, is the sum of `targets`
/// over all ranks. One collective of K values an iteration.
at::Tensor sinkhorn(const at::Tensor& targets, const at::Tensor& total, int iterations,
                    const Communicator& communicator);

}  // namespace msn
