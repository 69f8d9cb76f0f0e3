// SPDX-License-Identifier: Apache-2.0
// A step's work on a device, recorded once and then started as one.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace msn {

/// What was recorded runs at each launch() with what then lies in the same memory: it takes no new tensors.
class StepGraph {
 public:
  virtual ~StepGraph() = default;

  /// Records what `work` gives the current stream, of the device, instead of running it. Once.
  virtual void capture(const std::function<void()>& work) = 0;
  /// Gives the current stream the recorded work.
  virtual void launch() = 0;
};

/// On a GPU a CUDA graph, whose tensors lie in memory of its own. In host memory `work` itself, which is called at each
/// launch: so that what relies on graphs is tested where there is no GPU.
std::unique_ptr<StepGraph> make_step_graph(c10::Device device);

/// For make_step_graph(): a CUDA graph; in a build without CUDA an internal_error.
std::unique_ptr<StepGraph> make_cuda_graph();

}  // namespace msn
