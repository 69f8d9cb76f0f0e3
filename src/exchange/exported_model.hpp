// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "exchange/named_tensor.hpp"
#include "exchange/vit_names.hpp"

namespace msn {

/// What a training had done when its checkpoint was written.
struct TrainingFacts {
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;  ///< Completed ones.
  std::uint64_t samples_seen = 0;
  std::uint64_t global_batch = 0;
  std::uint64_t seed = 0;
  std::string data_fingerprint;
  std::vector<std::pair<std::string, double>> metrics;  ///< Of that step, as RUN/metrics.jsonl names them.
};

/// One network on its way to other programs.
struct ExportedModel {
  Config config;  ///< Sizes and normalisation; names of folders stand without where they lie.
  Network network = Network::target;
  std::string source;                ///< Last part of the path that it was read from.
  std::string dtype;                 ///< "F32" or "BF16"; empty: each tensor's own.
  std::vector<NamedTensor> tensors;  ///< Official names; finite values: read() throws numerics_error for others.
  std::optional<TrainingFacts> training;
};

}  // namespace msn
