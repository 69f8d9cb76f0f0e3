// SPDX-License-Identifier: Apache-2.0
// The options that say which network a command looks at, and by which of its tokens.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "comm/world.hpp"
#include "evaluate/encoder.hpp"
#include "evaluate/features.hpp"

namespace CLI {
class App;
}

namespace msn {

struct SubjectOptions {
  std::optional<std::filesystem::path> run, checkpoint, weights;
  std::optional<std::filesystem::path> config;  ///< Sizes for the baselines where no checkpoint is named.
  bool random_weights = false;
  bool raw_pixels = false;
  Network network = Network::target;
  TokenChoice tokens;
};

/// Whether --random-weights and --raw-pixels are offered too.
enum class Baselines { none, offered };

/// Adds the options; `options.tokens` holds the defaults.
void add_subject_options(CLI::App& app, SubjectOptions& options, Baselines baselines);
/// What the parser cannot see. For parse_complete_callback; throws usage_error.
void check_subject_options(const SubjectOptions& options);

/// What features are made by, and under which name it is reported.
struct Subject {
  std::string name;                        ///< The checkpoint or the weights, or which baseline.
  std::shared_ptr<const Encoder> encoder;  ///< None for raw pixels.
  FeatureMaker maker;
};

/// All ranks call. Throws AgreedError: usage for blocks that the model does not have, data for a checkpoint that is not
/// there or damaged, and whatever Encoder::from_weights() throws.
Subject choose_subject(const World& world, const SubjectOptions& options);

/// What a result says of its subject, for programs: subject, network, layer, blocks, final_norm.
nlohmann::ordered_json subject_facts(const Subject& subject, const SubjectOptions& options);

}  // namespace msn
