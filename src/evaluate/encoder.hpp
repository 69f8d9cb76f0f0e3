// SPDX-License-Identifier: Apache-2.0
// The network that evaluation looks at.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "exchange/vit_names.hpp"
#include "model/parameters.hpp"
#include "model/trunk.hpp"

namespace msn {

/// Frozen weights with the configuration they belong to.
class Encoder {
 public:
  /// The target network of a checkpoint. All ranks call; rank 0 reads the manifest for all.
  static Encoder from_checkpoint(const World& world, const std::filesystem::path& checkpoint);
  /// The weights of a safetensors file, an index of several, or the folder of either, as msn export and msn import
  /// write them and as transformers, timm and DINO do; sizes and normalisation are those of the files beside them
  /// (exchange/weights_config.hpp). A projection head is passed over. All ranks call, and read the files. Throws an
  /// agreed config_error, data_error or numerics_error, naming file and tensor.
  static Encoder from_weights(const World& world, const std::filesystem::path& weights,
                              Network network = Network::target);
  /// The weights that training without model.init would start from.
  static Encoder random(const Config& config);

  const Config& config() const { return config_; }
  /// Images [n, 3, size, size] (normalised, size = model.image_size) -> class tokens after the final norm, [n, width].
  at::Tensor features(const at::Tensor& images) const;

 private:
  explicit Encoder(const Config& config);

  Config config_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Trunk> trunk_;
};

/// The checkpoint that `--run` (its newest) or `--checkpoint` names. All ranks call; throws data_error if there is
/// none.
std::filesystem::path choose_checkpoint(const World& world, const std::optional<std::filesystem::path>& run,
                                        const std::optional<std::filesystem::path>& checkpoint);

/// The configuration that a checkpoint was trained with. All ranks call.
Config checkpoint_config(const World& world, const std::filesystem::path& checkpoint);

}  // namespace msn
