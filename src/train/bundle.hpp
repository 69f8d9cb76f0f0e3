// SPDX-License-Identifier: Apache-2.0
// What is kept of a step whose numbers were not finite, so that it can be run again: RUN/bundles/step-NNNNNNNN.json
// (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comm/world.hpp"
#include "data/batch.hpp"
#include "train/finite.hpp"
#include "train/input.hpp"
#include "train/step.hpp"
#include "train/surroundings.hpp"

namespace msn {

/// One rank's part of a step.
struct RankNumbers {
  std::string host;
  LossParts parts;
  std::vector<std::uint64_t> samples;  ///< As Batch::samples.
  std::vector<std::string> images;     ///< Which image each sample is, for people.
};

struct StepBundle {
  static constexpr int kFormatVersion = 1;

  std::uint64_t step = 0;  ///< Its number from 1, as in metrics.jsonl: the state before it has completed step - 1.
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;  ///< In the epoch, of the first sample of the global batch.
  std::uint64_t seed = 0;
  std::uint64_t global_batch = 0;
  StepSurroundings surroundings;
  std::string config_digest;
  std::string data_fingerprint;
  std::optional<std::uint64_t> checkpoint;  ///< Step of the newest checkpoint when the step failed.
  double grad_norm = 0;
  std::vector<NotFinite> tensors;  ///< Of the reduced gradients.
  std::vector<RankNumbers> ranks;
};

/// Facts of the run that a bundle repeats.
struct BundleFacts {
  std::uint64_t seed = 0;
  std::uint64_t global_batch = 0;
  int threads = 1;
  std::string device;  ///< As StepSurroundings::device.
  std::string config_digest;
  std::string data_fingerprint;
  std::optional<std::uint64_t> checkpoint;
};

BundleFacts bundle_facts(const Config& config, int threads, const std::string& device,
                         const std::string& data_fingerprint);

/// The bundle of the step with this number, whose reduced gradients `state` still holds. The same on every rank; all
/// ranks call.
StepBundle make_bundle(const World& world, const BundleFacts& facts, std::uint64_t step, const TrainingInput& input,
                       const Batch& batch, const TrainState& state, const StepReport& report);

/// The text of a bundle's file. Numbers that JSON does not have are the texts "nan", "inf" and "-inf".
std::string bundle_text(const StepBundle& bundle);
/// Parses and checks a text; `where` is used in messages. Throws data_error.
StepBundle parse_bundle(std::string_view text, const std::string& where);

/// "bundles/step-00000123.json" below `run`.
std::filesystem::path bundle_file(const std::filesystem::path& run, std::uint64_t step);
/// Writes the file, durably, and its folder (0750) if that is missing. Throws data_error. Rank 0 only.
void write_bundle(const std::filesystem::path& run, const StepBundle& bundle);

/// What is not finite, in words: "the loss of rank 1 is nan", or, if every objective is finite, "the gradient of
/// blocks.0.norm1.weight and 3 more tensors are not finite". Empty if everything is finite.
std::string what_is_not_finite(const StepBundle& bundle);
/// The hosts of the ranks whose objective is not finite, each once, "host n01" or "hosts n01, n02"; empty if there is
/// none.
std::string hosts_not_finite(const StepBundle& bundle);

/// How exactly a step that was run again is to match.
enum class Match {
  bits,         ///< Every number.
  to_rounding,  ///< The same number of ranks, but other threads, libraries or instructions.
  other_ranks,  ///< Another number of ranks: what is there for the whole batch.
};

/// Where `now` is not as `recorded`, a line each; empty: it is the same.
std::vector<std::string> differences(const StepBundle& recorded, const StepBundle& now, Match match);

}  // namespace msn
