// SPDX-License-Identifier: Apache-2.0
#include "model/vit.hpp"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <string>

namespace msn {

std::vector<NamedShape> encoder_tensors(const VitShape& shape) {
  const std::int64_t d = shape.width;
  std::vector<NamedShape> tensors{
      {"cls_token", {1, 1, d}},
      {"pos_embed", {1, 1 + shape.grid * shape.grid, d}},
      {"patch_embed.proj.weight", {d, 3, shape.patch, shape.patch}},
      {"patch_embed.proj.bias", {d}},
  };
  const auto add_pair = [&](const std::string& name, std::vector<std::int64_t> weight, std::int64_t bias) {
    tensors.push_back({name + ".weight", std::move(weight)});
    tensors.push_back({name + ".bias", {bias}});
  };
  for (std::int64_t i = 0; i < shape.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    add_pair(block + "norm1", {d}, d);
    add_pair(block + "attn.qkv", {3 * d, d}, 3 * d);
    add_pair(block + "attn.proj", {d, d}, d);
    add_pair(block + "norm2", {d}, d);
    add_pair(block + "mlp.fc1", {shape.mlp(), d}, shape.mlp());
    add_pair(block + "mlp.fc2", {d, shape.mlp()}, d);
  }
  add_pair("norm", {d}, d);
  add_pair("fc.fc1", {shape.head_hidden, d}, shape.head_hidden);
  add_pair("fc.bn1", {shape.head_hidden}, shape.head_hidden);
  add_pair("fc.fc2", {shape.head_hidden, shape.head_hidden}, shape.head_hidden);
  add_pair("fc.bn2", {shape.head_hidden}, shape.head_hidden);
  add_pair("fc.fc3", {shape.head_out, shape.head_hidden}, shape.head_out);
  return tensors;
}

HeadBuffers::HeadBuffers(const VitShape& shape, at::ScalarType type, at::Device device) {
  const auto options = at::TensorOptions().dtype(type).device(device);
  for (BatchNormBuffers* bn : {&bn1, &bn2}) {
    bn->running_mean = at::zeros({shape.head_hidden}, options);
    bn->running_var = at::ones({shape.head_hidden}, options);
  }
}

}  // namespace msn
