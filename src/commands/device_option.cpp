// SPDX-License-Identifier: Apache-2.0
#include "commands/device_option.hpp"

#include <algorithm>
#include <vector>

#include "base/log.hpp"
#include "comm/devices.hpp"

namespace msn {

void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device,
                 "What computes: cpu; cuda, a GPU for each rank; or auto, GPUs if every rank sees one, else cpu")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
}

std::optional<Gpu> bind_device(const World& world, const std::string& device) {
  if (device == "cpu") return std::nullopt;
  const VisibleGpus visible = visible_gpus();
  if (device == "auto") {
    const std::vector<std::string> seen = world.gather(std::to_string(visible.gpus.size()));
    const auto without = std::count(seen.begin(), seen.end(), "0");
    if (without > 0) {
      if (static_cast<std::size_t>(without) < seen.size()) {
        log::warn("processors compute, the GPUs stay idle: " + std::to_string(without) + " of " +
                  std::to_string(seen.size()) + " ranks see no GPU; --device cuda says why");
      }
      return std::nullopt;
    }
  }
  return bind_gpu(world, visible);
}

}  // namespace msn
