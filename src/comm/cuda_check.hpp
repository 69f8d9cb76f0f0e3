// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

namespace msn {

/// Throws internal_error with CUDA's own text if a CUDA call fails. An error of an earlier kernel may come out at any
/// later call: CUDA_LAUNCH_BLOCKING=1 on one rank tells which.
#define MSN_CHECK_CUDA(call) ::msn::check_cuda((call), #call, __FILE__, __LINE__)
void check_cuda(cudaError_t code, const char* call, const char* file, int line);

}  // namespace msn
