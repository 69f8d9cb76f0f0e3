// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "train/step_graph.hpp"

namespace msn {

std::unique_ptr<StepGraph> make_cuda_graph() {
  throw internal_error("this build has no CUDA and so no CUDA graphs");
}

}  // namespace msn
