// SPDX-License-Identifier: Apache-2.0
#include "train/weight_source.hpp"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>

#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "exchange/tensor_files.hpp"
#include "exchange/weights_config.hpp"

namespace msn {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

namespace {

at::ScalarType floating_type(const NamedTensor& tensor) {
  constexpr std::array<std::pair<std::string_view, at::ScalarType>, 4> types{
      {{"F32", at::kFloat}, {"F64", at::kDouble}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}}};
  for (const auto& [name, type] : types) {
    if (name == tensor.dtype) return type;
  }
  throw config_error("dtype " + tensor.dtype + " cannot become weights", tensor.place,
                     "save the tensor as F32, F64, F16 or BF16");
}

std::string dtype_of(ElementType type) {
  return type == ElementType::f32 ? "F32" : type == ElementType::f64 ? "F64" : "I64";
}

/// Reads all of the network at once, as a checkpoint's files are hashed whole.
WeightSource open_checkpoint(const fs::path& path, Network network) {
  const Manifest manifest = read_manifest(path);
  WeightSource source;
  source.path = path.string();
  source.vit.network = network == Network::target ? "target" : "online";
  source.is_checkpoint = true;
  if (!manifest.facts.config_toml.empty())
    source.heads = parse_config(manifest.facts.config_toml, source.path).model.heads;
  const std::string prefix = source.vit.network + ".";
  std::vector<StateTensor> wanted;
  for (const ManifestTensor& tensor : manifest.tensors) {
    const bool is_prototypes = tensor.name == "online.prototypes";
    if (!is_prototypes && !tensor.name.starts_with(prefix)) continue;
    const auto bytes = std::make_shared<std::vector<std::byte>>(tensor_bytes(tensor.type, tensor.shape, tensor.name));
    wanted.push_back({tensor.name, tensor.type, tensor.shape, *bytes});
    source.vit.tensors.push_back({is_prototypes ? "prototypes" : tensor.name.substr(prefix.size()),
                                  dtype_of(tensor.type), tensor.shape, [bytes] { return *bytes; },
                                  source.path + ":" + tensor.name});
  }
  read_checkpoint(path, wanted);
  return source;
}

WeightSource open_files(const fs::path& path, Network network) {
  WeightSource source;
  source.path = path.string();
  source.vit = to_official_names(open_tensor_files(path), source.path, network);
  source.heads = heads_beside(path);
  return source;
}

}  // namespace

WeightSource open_weights(const fs::path& path, Network network) {
  std::error_code ignored;
  if (fs::is_regular_file(path / "manifest.json", ignored)) return open_checkpoint(path, network);
  if (fs::is_regular_file(path, ignored) || holds_tensor_files(path)) return open_files(path, network);
  const std::string remedy =
      "give a .safetensors file, a folder with model.safetensors or a checkpoint, RUN/checkpoints/step-*";
  if (!fs::exists(path, ignored)) throw config_error("there is nothing here", path.string(), remedy);
  throw config_error("neither a file of weights nor a checkpoint", path.string(), remedy);
}

at::Tensor read_values(const NamedTensor& tensor) {
  const at::ScalarType type = floating_type(tensor);
  std::vector<std::byte> bytes = tensor.read();
  at::Tensor values = at::from_blob(bytes.data(), tensor.shape, at::TensorOptions().dtype(type)).clone();
  if (!at::isfinite(values).all().item<bool>())
    throw numerics_error("the tensor holds a value that is not finite", tensor.place, "use other weights");
  return values;
}

}  // namespace msn
