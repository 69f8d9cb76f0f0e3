// SPDX-License-Identifier: Apache-2.0
// Run folders as msn train leaves them, with numbers of our own.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "config/config.hpp"

namespace msn::test {

using Json = nlohmann::ordered_json;

/// The line of metrics.jsonl of a step.
inline Json metrics_line(std::uint64_t step) {
  const double x = static_cast<double>(step);
  return {{"step", step},
          {"epoch", step / 100},
          {"loss", 3 + 4 * std::exp(-x / 100)},
          {"cross_entropy", 2.9 + 4 * std::exp(-x / 100)},
          {"me_max", 0.1},
          {"entropy", 1.5},
          {"lr", 1e-3},
          {"weight_decay", 0.04},
          {"ema", 0.996},
          {"sharpen", 0.25},
          {"grad_norm", 2.5 + 0.2 * std::sin(x)},
          {"prototypes_used", 40 + static_cast<double>(step % 7)},
          {"max_target", 0.5},
          {"min_target", 1e-4},
          {"images_per_second", 64.0},
          {"data_wait_seconds", 0.01},
          {"reduce_seconds", 0.02},
          {"reduce_wait_seconds", 0.005},
          {"bad_samples", 0},
          {"skipped", false}};
}

inline std::string metrics_text(std::uint64_t first, std::uint64_t last) {
  std::string text;
  for (std::uint64_t step = first; step <= last; ++step)
    text += metrics_line(step).dump() + "\n";
  return text;
}

/// A life of run.json that began after `first_step` steps.
inline Json life(int number, std::uint64_t first_step, const std::string& host = "node1") {
  return {{"life", number},
          {"generation", number},
          {"started", "2026-03-01T08:30:00Z"},
          {"first_step", first_step},
          {"world_size", 2},
          {"threads", 1},
          {"version", "0.1.0"},
          {"torch", "2.11.0"},
          {"instruction_set", "AVX512"},
          {"processor", "AMD, AVX-512, bf16"},
          {"gemm", "onednn"},
          {"device", "cpu"},
          {"backend", "MPI, cpu, fp32"},
          {"hdf5", "1.10.8"},
          {"config_digest", "00"},
          {"ranks",
           {{{"rank", 0},
             {"host", host},
             {"device", "cpu"},
             {"pci", ""},
             {"cores", "0"},
             {"numa", "0"},
             {"threads", {{"compute", 1}, {"loader", 1}, {"communication", 1}, {"writer", 1}}}},
            {{"rank", 1},
             {"host", host},
             {"device", "cpu"},
             {"pci", ""},
             {"cores", "1"},
             {"numa", "0"},
             {"threads", {{"compute", 1}, {"loader", 1}, {"communication", 1}, {"writer", 0}}}}}}};
}

inline Json status(const std::string& state, std::uint64_t step, std::uint64_t total, const std::string& time) {
  return {{"format_version", 1},   {"state", state},    {"step", step},         {"total_steps", total},
          {"checkpoint", nullptr}, {"reason", nullptr}, {"exit_code", nullptr}, {"world_size", 2},
          {"host", "node1"},       {"pid", 1},          {"scheduler", "Slurm"}, {"job", "4711"},
          {"started", time},       {"time", time}};
}

/// A run of `steps` steps whose lives began after the steps `lives`; done.
inline void write_run(const std::filesystem::path& folder, std::uint64_t steps,
                      const std::vector<std::uint64_t>& lives = {0}, Config config = {}) {
  std::filesystem::create_directories(folder);
  config.train.global_batch = 64;
  config.model.prototypes = 64;
  config.data.path = "data/photos";
  replace_text(folder / "config.toml", to_toml(config));
  Json run = {{"seed", 7}, {"data_fingerprint", "5f0c"}, {"lives", Json::array()}};
  for (const std::uint64_t first : lives)
    run["lives"].push_back(life(static_cast<int>(run["lives"].size()) + 1, first));
  run["lives"].back()["ended"] = {{"time", "2026-03-01T09:30:00Z"}, {"exit", 0}, {"reason", ""}};
  replace_text(folder / "run.json", run.dump(2));
  replace_text(folder / "status.json", status("done", steps, steps, "2026-03-01T09:30:00Z").dump(2));
  replace_text(folder / "metrics.jsonl", metrics_text(1, steps));
}

}  // namespace msn::test
