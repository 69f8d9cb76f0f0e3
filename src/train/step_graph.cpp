// SPDX-License-Identifier: Apache-2.0
#include "train/step_graph.hpp"

namespace msn {
namespace {

class HostGraph : public StepGraph {
 public:
  void capture(const std::function<void()>& work) override { work_ = work; }
  void launch() override { work_(); }

 private:
  std::function<void()> work_;
};

}  // namespace

std::unique_ptr<StepGraph> make_step_graph(c10::Device device) {
  if (device.is_cpu()) return std::make_unique<HostGraph>();
  return make_cuda_graph();
}

}  // namespace msn
