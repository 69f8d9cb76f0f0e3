// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>
#include <vector>

#include "comm/devices.hpp"
#include "comm/gpus.hpp"
#include "commands/self_test_report.hpp"
#include "train/gpu_trial.hpp"
#include "train/placement.hpp"

namespace msn {

namespace {

std::string gib(std::uint64_t bytes) {
  char text[32] = "";
  std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

void report_memory(const World& world, SelfTestReport& report) {
  GpuMemory memory;
  world.agree([&] { memory = gpu_memory(); });
  const std::uint64_t least_free = ~world.max(~memory.free), least_total = ~world.max(~memory.total);
  report.fact("memory", "at least " + gib(least_free) + " free of " + gib(least_total));
  // A context and the libraries' own take about 1 GiB.
  const bool is_taken = memory.total - memory.free > memory.total / 10 + (std::uint64_t{1} << 30);
  const std::uint64_t taken = world.sum(is_taken ? 1 : 0);
  if (taken > 0)
    report.warn(std::to_string(taken) + " ranks have a GPU whose memory others use already: see nvidia-smi there");
}

}  // namespace

void self_test_gpu(const World& world, SelfTestReport& report) {
  const VisibleGpus visible = visible_gpus();
  for (const auto& [name, version] : gpu_library_versions())
    report.common_fact(name, version);
  const Gpu gpu = bind_gpu(world, visible);
  report.fact("GPUs", std::to_string(visible.gpus.size()) + " visible to rank 0, one bound to each rank");
  report.table("places", place_table(gather_places(world, &gpu)));
  Placement placement(world, gpu);
  report.fact("steps", placement.description());
  report_memory(world, report);
  const GpuTrialTimes times = try_gpu(world, placement);
  const std::string side = std::to_string(kGpuTrialSide);
  report.fact("product", "right; of two " + side + " x " + side + " matrices in " + time_text(times.product) +
                             ", the first in " + time_text(times.first_product));
  if (world.size() > 1) report.fact("NCCL sum", "right; of 4 MiB in " + time_text(times.sum));
  placement.shutdown();
}

}  // namespace msn
