// SPDX-License-Identifier: Apache-2.0
#include "evaluate/encoder.hpp"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "exchange/tensor_files.hpp"
#include "exchange/weights_config.hpp"
#include "model/initialise.hpp"
#include "model/patches.hpp"
#include "train/state.hpp"
#include "train/weight_source.hpp"

namespace msn {

Encoder::Encoder(const Config& config)
    : config_(config),
      parameters_(std::make_unique<Parameters>(encoder_tensors(vit_shape(config.model)),
                                               config.train.precision == Precision::fp64 ? at::kDouble : at::kFloat,
                                               Parameters::Gradients::none)),
      trunk_(std::make_unique<Trunk>(*parameters_, vit_shape(config.model))) {}

Encoder Encoder::from_checkpoint(const World& world, const std::filesystem::path& checkpoint) {
  Encoder encoder(checkpoint_config(world, checkpoint));
  world.agree([&] { read_checkpoint(checkpoint, target_tensors(*encoder.parameters_)); });
  return encoder;
}

Encoder Encoder::from_weights(const World& world, const std::filesystem::path& weights, Network network) {
  std::optional<Encoder> encoder;
  world.agree([&] {
    const std::string path = weights.string();
    const VitTensors vit = to_official_names(open_tensor_files(weights), path, network);
    const WeightsConfig described = weights_config(weights, measure_vit(vit, path));
    encoder = Encoder(described.config);
    for (const Segment& segment : encoder->parameters_->segments()) {
      if (const NamedTensor* tensor = vit.find(segment.name); tensor != nullptr && !segment.name.starts_with("fc."))
        encoder->parameters_->value(segment.name).copy_(read_values(*tensor));
    }
    if (!vit.passed_over.empty()) log::info(passed_over_text(vit));
    for (const std::string& note : described.notes)
      log::warn(note);
  });
  return std::move(*encoder);
}

Encoder Encoder::random(const Config& config) {
  Encoder encoder(config);
  initialise(*encoder.parameters_, config.train.seed);
  return encoder;
}

at::Tensor Encoder::features(const at::Tensor& images) const {
  const at::NoGradGuard no_autograd;
  ViewGroup group;
  group.patches = patch_rows(images.to(parameters_->type()), config_.model.patch_size);
  group.grid = images.size(2) / config_.model.patch_size;
  return trunk_->forward({group}, nullptr);
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
