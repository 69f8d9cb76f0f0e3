// SPDX-License-Identifier: Apache-2.0
// Weights on disk under their official names, whatever file they come from.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace msn {

struct StoredTensor {
  std::string stored_name;  ///< In the file, for messages.
  std::vector<std::int64_t> shape;
  std::function<at::Tensor()> read;  ///< A tensor of that shape, of the stored floating type. Throws data_error.
};

/// What one network can be made of: official name ("blocks.0.attn.qkv.weight", "prototypes", batch-norm buffers of the
/// head) -> tensor.
struct WeightSource {
  std::string path;
  std::string network;  ///< Which network of several it is, for the log; may be empty.
  std::map<std::string, StoredTensor> tensors;
  bool is_checkpoint = false;
};

/// Throws config_error for a path that is neither a file nor a checkpoint folder and for names that do not map one to
/// one; data_error for a damaged file.
WeightSource open_weights(const std::filesystem::path& path);

}  // namespace msn
