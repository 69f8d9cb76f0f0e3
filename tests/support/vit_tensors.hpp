// SPDX-License-Identifier: Apache-2.0
// Small networks as tensors in memory, every value another one, for tests of files of weights.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "exchange/named_tensor.hpp"
#include "exchange/vit_names.hpp"

namespace msn::test {

inline VitSizes tiny_sizes() {
  VitSizes sizes;
  sizes.width = 8;
  sizes.depth = 2;
  sizes.patch = 4;
  sizes.grid = 3;
  return sizes;
}

inline NamedTensor tensor_of(const std::string& name, const std::vector<std::int64_t>& shape,
                             const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {name, "F32", shape, [bytes] { return bytes; }, "memory:" + name};
}

/// Numbers that a bfloat16 holds too: whole ones below 256, over 32, another start for each tensor.
inline NamedTensor numbered(const std::string& name, const std::vector<std::int64_t>& shape, std::size_t start) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape)
    count *= static_cast<std::size_t>(extent);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>((start + i) % 251) / 32.0f - 4.0f;
  return tensor_of(name, shape, values);
}

/// A whole network under its official names.
inline std::vector<NamedTensor> numbered_vit(const VitSizes& sizes) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, shape] : vit_shapes(sizes))
    tensors.push_back(numbered(name, shape, 7 * tensors.size()));
  return tensors;
}

inline std::vector<NamedTensor> renamed(std::vector<NamedTensor> tensors,
                                        const std::function<std::string(const std::string&)>& rename) {
  for (NamedTensor& tensor : tensors)
    tensor.name = rename(tensor.name);
  return tensors;
}

/// Hugging Face's current names, by themselves: what to_hugging_face_names() gives, spelled anew by hand.
inline std::string to_current_name(std::string name) {
  const std::vector<std::pair<std::string, std::string>> words{{"encoder.layer.", "layers."},
                                                               {"attention.attention.query", "attention.q_proj"},
                                                               {"attention.attention.key", "attention.k_proj"},
                                                               {"attention.attention.value", "attention.v_proj"},
                                                               {"attention.output.dense", "attention.o_proj"},
                                                               {"intermediate.dense", "mlp.fc1"},
                                                               {".output.dense", ".mlp.fc2"}};
  for (const auto& [from, to] : words) {
    if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  }
  return name;
}

}  // namespace msn::test
