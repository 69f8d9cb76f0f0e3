// SPDX-License-Identifier: Apache-2.0
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include "train/step_graph.hpp"

namespace msn {
namespace {

class CudaGraph : public StepGraph {
 public:
  void capture(const std::function<void()>& work) override {
    // What the eager steps before it took and the allocator keeps would lie beside the graph's own memory for good.
    c10::cuda::CUDACachingAllocator::emptyCache();
    // Other threads, those that upload views for instance, may call what a capture must not.
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (...) {  // The capture is broken; the first error tells why.
      }
      throw;
    }
    graph_.capture_end();
  }

  void launch() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

}  // namespace

std::unique_ptr<StepGraph> make_cuda_graph() {
  return std::make_unique<CudaGraph>();
}

}  // namespace msn
