// SPDX-License-Identifier: Apache-2.0
// The network that evaluation looks at.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "exchange/vit_names.hpp"
#include "model/parameters.hpp"
#include "model/trunk.hpp"

namespace msn {

/// Frozen weights with the configuration they belong to. They are not changed from here on.
class Encoder {
 public:
  /// A network of a checkpoint. All ranks call; rank 0 reads the manifest for all. Throws AgreedError (data).
  static Encoder from_checkpoint(const World& world, const std::filesystem::path& checkpoint,
                                 Network network = Network::target);
  /// The weights of a safetensors file, an index of several, or the folder of either, as msn export and msn import
  /// write them and as transformers, timm and DINO do; sizes and normalisation are those of the files beside them
  /// (exchange/weights_config.hpp). A projection head is passed over. All ranks call, and read the files. Throws an
  /// agreed config_error, data_error or numerics_error, naming file and tensor.
  static Encoder from_weights(const World& world, const std::filesystem::path& weights,
                              Network network = Network::target);
  /// The weights that training without model.init would start from.
  static Encoder random(const Config& config);
  /// The weights as they are in `parameters` of a state that is trained, on whichever device, as long as that lasts and
  /// nothing changes them.
  static Encoder of_state(const Config& config, const Parameters& parameters);

  const Config& config() const { return config_; }
  /// The encoder's tensors under their official names, on the host.
  const Parameters& parameters() const { return *parameters_; }
  /// Hash of the weights and of the sizes that give them their meaning: encoders with the same one compute the same.
  std::string identity() const;

  /// Images [n, 3, size, size] (normalised, size = model.image_size) -> class tokens [n, choice.blocks * width] in the
  /// parameters' type. Any thread may call. `choice` must be one that check_choice() takes.
  at::Tensor features(const at::Tensor& images, const TokenChoice& choice = {}) const;
  /// Columns of features().
  std::int64_t width(const TokenChoice& choice) const { return choice.blocks * config_.model.width; }

 private:
  Encoder(const Config& config, std::shared_ptr<const Parameters> parameters);

  Config config_;
  std::shared_ptr<const Parameters> parameters_;
  std::unique_ptr<Trunk> trunk_;
};

/// Throws usage_error unless the model has the blocks that `choice` names.
void check_choice(const TokenChoice& choice, const ModelConfig& model);

/// The checkpoint that `--run` (its newest) or `--checkpoint` names. All ranks call; throws data_error if there is
/// none.
std::filesystem::path choose_checkpoint(const World& world, const std::optional<std::filesystem::path>& run,
                                        const std::optional<std::filesystem::path>& checkpoint);

/// The configuration that a checkpoint was trained with. All ranks call.
Config checkpoint_config(const World& world, const std::filesystem::path& checkpoint);

}  // namespace msn
