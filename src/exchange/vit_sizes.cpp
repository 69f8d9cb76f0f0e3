// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>

#include "base/error.hpp"
#include "exchange/shape_text.hpp"
#include "exchange/vit_names.hpp"

namespace msn {

namespace {

using Shape = std::vector<std::int64_t>;

/// More than any network that could be computed with, and small enough that products of three of them fit.
constexpr std::int64_t kSizeLimit = std::int64_t{1} << 20;

class Measuring {
 public:
  Measuring(const VitTensors& vit, const std::string& path) : vit_(vit), path_(path) {
    for (const NamedTensor& tensor : vit.tensors)
      tensors_.emplace(tensor.name, &tensor);
  }

  VitSizes run() const {
    const VitSizes sizes = read_sizes();
    std::map<std::string, Shape> wanted;
    for (auto& [name, shape] : vit_shapes(sizes))
      wanted.emplace(name, shape);
    for (const auto& [name, shape] : wanted)
      check_shape(need(name), shape);
    for (const NamedTensor& tensor : vit_.tensors) {
      if (!wanted.contains(tensor.name) && !is_statistics(tensor, sizes))
        throw config_error("unexpected tensor", tensor.place, "remove it from the file: msn's networks have no such");
    }
    return sizes;
  }

 private:
  const NamedTensor* find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

  const NamedTensor& need(const std::string& name) const {
    if (const NamedTensor* tensor = find(name)) return *tensor;
    const std::string stored = (vit_.network.empty() ? "" : vit_.network + ".") + name_in(vit_.names, name);
    throw config_error(
        "missing tensor", path_ + ":" + stored,
        name.starts_with("fc.") ? "give the whole head (fc.*) or nothing of it" : "give the whole encoder");
  }

  /// One extent of a tensor of so many dimensions.
  std::int64_t extent(const std::string& name, std::size_t dimensions, std::size_t which) const {
    const NamedTensor& tensor = need(name);
    if (tensor.shape.size() != dimensions || tensor.shape[which] < 1 || tensor.shape[which] > kSizeLimit)
      throw config_error("the tensor has shape " + shape_text(tensor.shape), tensor.place, "use other weights");
    return tensor.shape[which];
  }

  VitSizes read_sizes() const {
    VitSizes sizes;
    sizes.width = extent("cls_token", 3, 2);
    sizes.patch = extent("patch_embed.proj.weight", 4, 3);
    const std::int64_t patches = extent("pos_embed", 3, 1) - 1;
    sizes.grid = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
    if (sizes.grid < 1 || sizes.grid * sizes.grid != patches) {
      throw config_error("the position table has " + std::to_string(patches) + " patches, which are no square",
                         need("pos_embed").place, "use a network for square images, with one class token");
    }
    while (find("blocks." + std::to_string(sizes.depth) + ".norm1.weight") != nullptr)
      ++sizes.depth;
    if (sizes.depth == 0) need("blocks.0.norm1.weight");
    if (std::any_of(tensors_.begin(), tensors_.end(), [](const auto& t) { return t.first.starts_with("fc."); })) {
      sizes.head_hidden = extent("fc.fc1.weight", 2, 0);
      sizes.head_out = extent("fc.fc3.weight", 2, 0);
    }
    if (find("prototypes") != nullptr) {
      sizes.prototypes = extent("prototypes", 2, 0);
      const std::int64_t length = extent("prototypes", 2, 1);
      if (sizes.head_out == 0) sizes.head_out = length;
    }
    return sizes;
  }

  static void check_shape(const NamedTensor& tensor, const Shape& shape) {
    if (tensor.shape != shape) {
      throw config_error(
          "the tensor has shape " + shape_text(tensor.shape) + " where the others want " + shape_text(shape),
          tensor.place, "use the weights of one network, with an MLP four times as wide as its tokens");
    }
    constexpr std::array<std::string_view, 4> floating{"F32", "F64", "F16", "BF16"};
    if (std::find(floating.begin(), floating.end(), tensor.dtype) == floating.end()) {
      throw config_error("dtype " + tensor.dtype + " cannot become weights", tensor.place,
                         "save the tensor as F32, F64, F16 or BF16");
    }
  }

  /// Running statistics of the head's batch norms may be there, whole or in part.
  static bool is_statistics(const NamedTensor& tensor, const VitSizes& sizes) {
    for (const std::string norm : {"fc.bn1", "fc.bn2"}) {
      if (tensor.name == norm + ".running_mean" || tensor.name == norm + ".running_var") {
        check_shape(tensor, {sizes.head_hidden});
        return true;
      }
      if (tensor.name == norm + ".num_batches_tracked") {
        if (tensor.dtype == "I64" && tensor.shape.empty()) return true;
        throw config_error("the count is " + tensor.dtype + shape_text(tensor.shape) + " where I64[] is wanted",
                           tensor.place, "use other weights");
      }
    }
    return false;
  }

  const VitTensors& vit_;
  const std::string& path_;
  std::map<std::string, const NamedTensor*> tensors_;
};

}  // namespace

std::vector<std::pair<std::string, Shape>> vit_shapes(const VitSizes& sizes) {
  const std::int64_t d = sizes.width, hidden = sizes.head_hidden;
  std::vector<std::pair<std::string, Shape>> shapes{
      {"cls_token", {1, 1, d}},
      {"pos_embed", {1, 1 + sizes.grid * sizes.grid, d}},
      {"patch_embed.proj.weight", {d, 3, sizes.patch, sizes.patch}},
      {"patch_embed.proj.bias", {d}},
  };
  const auto add = [&](const std::string& name, const Shape& weight) {
    shapes.emplace_back(name + ".weight", weight);
    shapes.emplace_back(name + ".bias", Shape{weight[0]});
  };
  for (std::int64_t i = 0; i < sizes.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    add(block + "norm1", {d});
    add(block + "attn.qkv", {3 * d, d});
    add(block + "attn.proj", {d, d});
    add(block + "norm2", {d});
    add(block + "mlp.fc1", {4 * d, d});
    add(block + "mlp.fc2", {d, 4 * d});
  }
  add("norm", {d});
  if (hidden > 0) {
    add("fc.fc1", {hidden, d});
    add("fc.bn1", {hidden});
    add("fc.fc2", {hidden, hidden});
    add("fc.bn2", {hidden});
    add("fc.fc3", {sizes.head_out, hidden});
  }
  if (sizes.prototypes > 0) shapes.emplace_back("prototypes", Shape{sizes.prototypes, sizes.head_out});
  return shapes;
}

VitSizes measure_vit(const VitTensors& vit, const std::string& path) {
  return Measuring(vit, path).run();
}

}  // namespace msn
