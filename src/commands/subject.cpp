// SPDX-License-Identifier: Apache-2.0
#include "commands/subject.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"

namespace msn {
namespace {

const std::map<std::string, Network> kNetworks{{"target", Network::target}, {"online", Network::online}};
const std::map<std::string, ClassToken> kTokens{{"before", ClassToken::before_norm}, {"after", ClassToken::after_norm}};

template <class T>
std::string name_of(const std::map<std::string, T>& names, T value) {
  for (const auto& [name, named] : names) {
    if (named == value) return name;
  }
  throw internal_error("a value without a name");
}

std::optional<std::filesystem::path> checkpoint_of(const World& world, const SubjectOptions& options) {
  if (!options.run && !options.checkpoint) return std::nullopt;
  return choose_checkpoint(world, options.run, options.checkpoint);
}

Config config_of(const World& world, const std::optional<std::filesystem::path>& checkpoint,
                 const SubjectOptions& options) {
  if (checkpoint) return checkpoint_config(world, *checkpoint);
  Config config;
  world.agree([&] { config = load_config(*options.config); });
  return config;
}

}  // namespace

void add_subject_options(CLI::App& app, SubjectOptions& options, Baselines baselines) {
  auto* run = app.add_option("--run", options.run, "Run folder: its newest checkpoint");
  auto* checkpoint = app.add_option("--checkpoint", options.checkpoint, "Checkpoint folder")->excludes(run);
  auto* weights = app.add_option("--weights", options.weights,
                                 "Weights from elsewhere: a .safetensors file, an index of several, or a folder with "
                                 "either, of transformers, timm, DINO or msn export")
                      ->excludes(run)
                      ->excludes(checkpoint);
  app.add_option("--network", options.network, "target (default): the averaged network; online: the trained one")
      ->transform(CLI::CheckedTransformer(kNetworks))
      ->option_text("target|online");
  app.add_option("--layer", options.tokens.layer, "Take the class token after this block, from 1; 0: the last one's")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--blocks", options.tokens.blocks, "Put the class tokens of so many blocks up to there side by side")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--final-norm", options.tokens.where,
                 "Take class tokens before or after the final layer norm; default here: " +
                     name_of(kTokens, options.tokens.where))
      ->transform(CLI::CheckedTransformer(kTokens))
      ->option_text("before|after");
  if (baselines == Baselines::none) return;
  auto* random = app.add_flag("--random-weights", options.random_weights, "Baseline: the network before training")
                     ->excludes(weights);
  app.add_flag("--raw-pixels", options.raw_pixels, "Baseline: no network, the pixels themselves")
      ->excludes(random)
      ->excludes(weights);
  app.add_option("--config", options.config, "Configuration that gives sizes where no checkpoint is named")
      ->excludes(run)
      ->excludes(checkpoint)
      ->excludes(weights);
}

void check_subject_options(const SubjectOptions& options) {
  if (options.run || options.checkpoint || options.weights) return;
  if (!options.random_weights && !options.raw_pixels) {
    throw usage_error("no network is named: give --run DIR, --checkpoint DIR or --weights FILE");
  }
  if (!options.config) {
    throw usage_error("the baselines need the model's sizes: give --run DIR, --checkpoint DIR or --config CONFIG.toml");
  }
}

Subject choose_subject(const World& world, const SubjectOptions& options) {
  const auto checkpoint = checkpoint_of(world, options);
  Subject subject;
  if (options.raw_pixels) {
    subject.name = "raw pixels";
    subject.maker = pixel_features(config_of(world, checkpoint, options));
    return subject;
  }
  if (options.random_weights) {
    subject.name = "random weights";
    subject.encoder = std::make_shared<Encoder>(Encoder::random(config_of(world, checkpoint, options)));
  } else if (options.weights) {
    subject.name = options.weights->string();
    subject.encoder = std::make_shared<Encoder>(Encoder::from_weights(world, *options.weights, options.network));
  } else {
    subject.name = checkpoint->string();
    subject.encoder = std::make_shared<Encoder>(Encoder::from_checkpoint(world, *checkpoint, options.network));
  }
  world.agree([&] { check_choice(options.tokens, subject.encoder->config().model); });
  subject.maker = network_features(subject.encoder, options.tokens);
  return subject;
}

nlohmann::ordered_json subject_facts(const Subject& subject, const SubjectOptions& options) {
  nlohmann::ordered_json facts = {{"subject", subject.name}};
  if (!subject.encoder) return facts;
  if (!options.random_weights) facts["network"] = name_of(kNetworks, options.network);
  const int depth = subject.encoder->config().model.depth;
  facts["layer"] = options.tokens.layer == 0 ? depth : options.tokens.layer;
  facts["blocks"] = options.tokens.blocks;
  facts["final_norm"] = name_of(kTokens, options.tokens.where);
  return facts;
}

}  // namespace msn
