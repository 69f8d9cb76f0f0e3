// SPDX-License-Identifier: Apache-2.0
#include "train/device_allreduce.hpp"

#include <ATen/ops/zeros.h>

#include <cstdint>
#include <memory>

#include "comm/device_communicator.hpp"
#include "train/device_wait.hpp"

namespace msn {

std::vector<AllreduceSize> benchmark_device_allreduce(const World& world, const AllreduceBenchmarkOptions& options,
                                                      const std::function<void(const AllreduceSize&)>& each) {
  const std::unique_ptr<Communicator> communicator = make_device_communicator(world);
  at::Tensor memory;
  world.agree([&] {
    // Zeros stay zeros however often they are summed.
    memory = at::zeros({static_cast<std::int64_t>(options.most_bytes / sizeof(float))},
                       at::TensorOptions().dtype(at::kFloat).device(at::kCUDA));
  });
  DeviceWait wait(*communicator);
  DeviceEvent done(memory.device());
  const auto sum = [&](std::uint64_t bytes) {
    communicator->sum(memory.narrow(0, 0, static_cast<std::int64_t>(bytes / sizeof(float))), "benchmark");
    done.record();
    wait.until(done);
  };
  std::vector<AllreduceSize> sizes = benchmark_allreduce(world, options, {{"NCCL", sum}}, each);
  communicator->shutdown();
  return sizes;
}

}  // namespace msn
