// SPDX-License-Identifier: Apache-2.0
// For builds without CUDA.
#include "base/error.hpp"
#include "comm/gpus.hpp"

namespace msn {

VisibleGpus visible_gpus() {
  return {false, {}, "this msn was built without CUDA"};
}

void use_gpu(int /*number*/) {
  throw internal_error("a GPU is asked of an msn that was built without CUDA");
}

GpuMemory gpu_memory() {
  throw internal_error("the memory of a GPU is asked of an msn that was built without CUDA");
}

std::vector<std::pair<std::string, std::string>> gpu_library_versions() {
  return {};
}

}  // namespace msn
