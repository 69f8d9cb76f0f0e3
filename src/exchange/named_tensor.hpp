// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace msn {

/// A tensor that lies somewhere and is read when its bytes are wanted, so that a model need not fit in memory twice.
struct NamedTensor {
  std::string name;
  std::string dtype;  ///< As safetensors names it: "F32", "BF16", ...
  std::vector<std::int64_t> shape;
  std::function<std::vector<std::byte>()> read;  ///< Row-major, little-endian. Throws data_error.
  std::string place = {};                        ///< "FILE:NAME" as it is stored, for messages.
};

}  // namespace msn
