// SPDX-License-Identifier: Apache-2.0
// A line of `msn bench step --json`, made up.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "config/config.hpp"

namespace msn::test {

/// A step of two seconds on processors: 1.5 s of products, 0.1 of update, 0.1 of waiting, 0.3 of the rest.
inline nlohmann::ordered_json measured_step(const Config& config, int ranks, double peak_memory) {
  return {{"command", "bench step"},
          {"on_gpu", false},
          {"ranks", ranks},
          {"threads", 1},
          {"step_seconds", 2.0},
          {"work",
           {{"product", {{"seconds", 1.2}}},
            {"attention", {{"seconds", 0.3}}},
            {"optimizer", {{"seconds", 0.1}}},
            {"gradient_sum", {{"seconds", 0.04}}},
            {"waiting", {{"seconds", 0.06}}}}},
          {"peak_memory_bytes", peak_memory},
          {"config", to_toml(config)}};
}

}  // namespace msn::test
