// SPDX-License-Identifier: Apache-2.0
#include "evaluate/encoder.hpp"

#include <ATen/core/grad_mode.h>

#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "exchange/tensor_files.hpp"
#include "exchange/weights_config.hpp"
#include "model/initialise.hpp"
#include "model/patches.hpp"
#include "train/setup.hpp"
#include "train/state.hpp"
#include "train/weight_source.hpp"

namespace msn {

namespace {

std::shared_ptr<Parameters> host_parameters(const Config& config) {
  return std::make_shared<Parameters>(encoder_tensors(vit_shape(config.model)), scalar_type(config.train.precision),
                                      Parameters::Gradients::none);
}

/// "target.NAME" or "online.NAME" of a checkpoint.
std::vector<StateTensor> tensors_of(Network network, Parameters& encoder) {
  std::vector<StateTensor> tensors = target_tensors(encoder);
  if (network == Network::online) {
    for (StateTensor& tensor : tensors)
      tensor.name.replace(0, std::string_view("target").size(), "online");
  }
  return tensors;
}

/// `parameters` themselves where they lie in host memory, else a copy there.
std::shared_ptr<const Parameters> on_host(const Config& config, const Parameters& parameters) {
  if (parameters.device().is_cpu()) return {std::shared_ptr<void>(), &parameters};
  const auto copy = host_parameters(config);
  copy->values().copy_(parameters.values().narrow(0, 0, copy->values().numel()));
  return copy;
}

}  // namespace

Encoder::Encoder(const Config& config, std::shared_ptr<const Parameters> parameters)
    : config_(config),
      parameters_(std::move(parameters)),
      trunk_(std::make_unique<Trunk>(*parameters_, vit_shape(config.model))) {}

Encoder Encoder::from_checkpoint(const World& world, const std::filesystem::path& checkpoint, Network network) {
  const Config config = checkpoint_config(world, checkpoint);
  const auto parameters = host_parameters(config);
  world.agree([&] { read_checkpoint(checkpoint, tensors_of(network, *parameters)); });
  return {config, parameters};
}

Encoder Encoder::from_weights(const World& world, const std::filesystem::path& weights, Network network) {
  Config config;
  std::shared_ptr<Parameters> parameters;
  world.agree([&] {
    const std::string path = weights.string();
    const VitTensors vit = to_official_names(open_tensor_files(weights), path, network);
    const WeightsConfig described = weights_config(weights, measure_vit(vit, path));
    config = described.config;
    parameters = host_parameters(config);
    for (const Segment& segment : parameters->segments()) {
      if (const NamedTensor* tensor = vit.find(segment.name); tensor != nullptr && !segment.name.starts_with("fc."))
        parameters->value(segment.name).copy_(read_values(*tensor));
    }
    if (!vit.passed_over.empty()) log::info(passed_over_text(vit));
    for (const std::string& note : described.notes)
      log::warn(note);
  });
  return {config, parameters};
}

Encoder Encoder::random(const Config& config) {
  const auto parameters = host_parameters(config);
  initialise(*parameters, config.train.seed);
  return {config, parameters};
}

Encoder Encoder::of_state(const Config& config, const Parameters& parameters) {
  return {config, on_host(config, parameters)};
}

std::string Encoder::identity() const {
  const ModelConfig& model = config_.model;
  Hasher hasher;
  for (const int size : {model.width, model.depth, model.heads, model.patch_size, model.image_size})
    hasher.update(std::to_string(size) + " ");
  const at::Tensor& values = parameters_->values();
  hasher.update(std::span(static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()));
  return hasher.hex();
}

at::Tensor Encoder::features(const at::Tensor& images, const TokenChoice& choice) const {
  const at::NoGradGuard no_autograd;
  ViewGroup group;
  group.patches = patch_rows(images.to(parameters_->type()), config_.model.patch_size);
  group.grid = images.size(2) / config_.model.patch_size;
  return trunk_->class_tokens({group}, choice);
}

void check_choice(const TokenChoice& choice, const ModelConfig& model) {
  const std::int64_t last = choice.layer == 0 ? model.depth : choice.layer;
  const std::string has = "the model has " + std::to_string(model.depth) + " blocks";
  if (last < 1 || last > model.depth) {
    throw usage_error(has + ", and none of number " + std::to_string(last), "--layer",
                      "give a number from 1 to " + std::to_string(model.depth));
  }
  if (choice.blocks < 1 || choice.blocks > last) {
    throw usage_error(
        has + ", of which " + std::to_string(choice.blocks) + " cannot end with number " + std::to_string(last),
        "--blocks", "give a number from 1 to " + std::to_string(last));
  }
}

std::filesystem::path choose_checkpoint(const World& world, const std::optional<std::filesystem::path>& run,
                                        const std::optional<std::filesystem::path>& checkpoint) {
  return world.on_root([&]() -> std::string {
    if (checkpoint) return checkpoint->string();
    const auto newest = find_newest_checkpoint(*run);
    if (!newest)
      throw data_error("the run has no checkpoint", run->string(), "train it first: msn train ... --run DIR");
    return newest->string();
  });
}

Config checkpoint_config(const World& world, const std::filesystem::path& checkpoint) {
  return parse_config(world.on_root([&] { return read_manifest(checkpoint).facts.config_toml; }), checkpoint.string());
}

}  // namespace msn
