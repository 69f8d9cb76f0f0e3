// SPDX-License-Identifier: Apache-2.0
// Weights on disk under their official names, whatever they come from.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>

#include "exchange/vit_names.hpp"

namespace msn {

struct WeightSource {
  std::string path;
  VitTensors vit;  ///< One network, with the batch-norm statistics of the head, and the prototypes.
  bool is_checkpoint = false;
  std::optional<int> heads = {};  ///< Attention heads, which no tensor tells, if anything beside them does.
};

/// Opens a checkpoint folder, whose files are read whole, or files of tensors (exchange/tensor_files.hpp) with the
/// names of exchange/vit_names.hpp. Throws config_error for a path that is neither and for names that do not map one to
/// one; data_error for a damaged file.
WeightSource open_weights(const std::filesystem::path& path, Network network = Network::target);

/// The tensor's values, in its own type. Throws config_error for a type that is no floating one, data_error if it
/// cannot be read, numerics_error if a value is not finite.
at::Tensor read_values(const NamedTensor& tensor);

}  // namespace msn
