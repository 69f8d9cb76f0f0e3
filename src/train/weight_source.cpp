// SPDX-License-Identifier: Apache-2.0
#include "train/weight_source.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "exchange/safetensors.hpp"

namespace msn {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

namespace {

/// Takes `prefix` off `name` if it is there.
bool strip(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  return true;
}

at::ScalarType floating_type(const SafetensorsEntry& entry, const std::string& file) {
  constexpr std::array<std::pair<std::string_view, at::ScalarType>, 4> types{
      {{"F32", at::kFloat}, {"F64", at::kDouble}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}}};
  for (const auto& [name, type] : types) {
    if (name == entry.dtype) return type;
  }
  throw config_error("dtype " + entry.dtype + " cannot become weights", file + ":" + entry.name,
                     "save the tensor as F32, F64, F16 or BF16");
}

/// Names that Hugging Face's ViTMSN uses, old and new, and the official ones never.
bool is_hugging_face(std::string_view name) {
  strip(name, "vit.");
  for (const std::string_view start : {"embeddings.", "encoder.layer.", "layers.", "layernorm."}) {
    if (name.starts_with(start)) return true;
  }
  return false;
}

/// Where a name belongs: which network ("" where the file holds one alone), and the official name in it.
struct Place {
  std::string network;
  std::string name;
};

Place place_of(std::string_view stored) {
  std::string network;
  strip(stored, "module.");
  for (const char* prefix : {"target_encoder", "encoder"}) {
    if (strip(stored, std::string(prefix) + ".")) {
      network = prefix;
      break;
    }
  }
  strip(stored, "module.");
  return {network, std::string(stored)};
}

WeightSource open_safetensors(const fs::path& path) {
  const auto file = std::make_shared<SafetensorsFile>(path);
  WeightSource source;
  source.path = path.string();
  std::string stray;  // The first tensor of an official name outside of any network.
  bool target = false, online = false;
  for (const SafetensorsEntry& entry : file->entries()) {
    if (is_hugging_face(entry.name)) {
      throw config_error("the file has the tensor names of Hugging Face's ViTMSN", source.path + ":" + entry.name,
                         "rename its tensors to the official ones: cls_token, blocks.0.attn.qkv.weight, ...");
    }
    const Place place = place_of(entry.name);
    target |= place.network == "target_encoder";
    online |= place.network == "encoder";
    if (place.network.empty() && place.name != "prototypes" && stray.empty()) stray = entry.name;
  }
  source.network = target ? "target_encoder" : online ? "encoder" : "";
  if (!source.network.empty() && !stray.empty()) {
    throw config_error("unexpected tensor beside those of " + source.network, source.path + ":" + stray,
                       "remove it from the file");
  }
  for (const SafetensorsEntry& entry : file->entries()) {
    const Place place = place_of(entry.name);
    const bool is_prototypes = place.network.empty() && place.name == "prototypes";
    if (place.network != source.network && !is_prototypes) continue;
    const auto read = [file, entry, where = source.path] {
      const at::ScalarType type = floating_type(entry, where);
      std::vector<std::byte> bytes = file->read(entry);
      return at::from_blob(bytes.data(), entry.shape, at::TensorOptions().dtype(type)).clone();
    };
    if (!source.tensors.emplace(place.name, StoredTensor{entry.name, entry.shape, read}).second) {
      throw config_error("two tensors are " + place.name, source.path + ":" + entry.name, "remove one from the file");
    }
  }
  return source;
}

/// Reads all of the network at once, as a checkpoint's files are hashed whole.
WeightSource open_checkpoint(const fs::path& path) {
  WeightSource source;
  source.path = path.string();
  source.network = "target";
  source.is_checkpoint = true;
  std::vector<StateTensor> wanted;
  for (const ManifestTensor& tensor : read_manifest(path).tensors) {
    std::string_view name = tensor.name;
    if (name == "online.prototypes") {
      name = "prototypes";
    } else if (!strip(name, "target.")) {
      continue;
    }
    const at::ScalarType type = tensor.type == ElementType::f32   ? at::kFloat
                                : tensor.type == ElementType::f64 ? at::kDouble
                                                                  : at::kLong;
    const at::Tensor values = at::empty(tensor.shape, at::TensorOptions().dtype(type));
    wanted.push_back({tensor.name,
                      tensor.type,
                      tensor.shape,
                      {static_cast<std::byte*>(values.mutable_data_ptr()), static_cast<std::size_t>(values.nbytes())}});
    source.tensors.emplace(std::string(name), StoredTensor{tensor.name, tensor.shape, [values] { return values; }});
  }
  read_checkpoint(path, wanted);
  return source;
}

}  // namespace

WeightSource open_weights(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return open_safetensors(path);
  if (fs::is_regular_file(path / "manifest.json", ignored)) return open_checkpoint(path);
  const std::string remedy = "give a .safetensors file or a checkpoint folder, RUN/checkpoints/step-*";
  if (!fs::exists(path, ignored)) throw config_error("model.init names nothing that is there", path.string(), remedy);
  throw config_error("model.init names neither a file nor a checkpoint", path.string(), remedy);
}

}  // namespace msn
