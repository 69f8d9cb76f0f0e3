// SPDX-License-Identifier: Apache-2.0
// The network that evaluation looks at.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "model/parameters.hpp"
#include "model/trunk.hpp"

namespace msn {

/// Frozen weights with the configuration they belong to.
class Encoder {
 public:
  /// The target network of a checkpoint. All ranks call; rank 0 reads the manifest for all.
  static Encoder from_checkpoint(const World& world, const std::filesystem::path& checkpoint);
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
