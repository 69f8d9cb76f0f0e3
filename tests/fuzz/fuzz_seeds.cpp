// SPDX-License-Identifier: Apache-2.0
// fuzz_seeds AUGMENT.h5 FOLDER: writes what the fuzz targets begin with. FOLDER/decode holds the small images of the
// golden file, whole and broken ones; FOLDER/shard holds small shards, FOLDER/weights the smallest networks in every
// spelling of their names, FOLDER/weights_json the JSON files of transformers and timm.
#include <fcntl.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.hpp"
#include "base/hdf5.hpp"
#include "data/shard.hpp"
#include "exchange/safetensors_writer.hpp"
#include "exchange/vit_names.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_seed = std::size_t{1} << 15;

std::vector<msn::ShardItem> write_images(const fs::path& golden, const fs::path& folder) {
  const msn::h5::File file(golden, msn::h5::Mode::read);
  const auto all = file.read<std::uint8_t>("image/bytes");
  const auto offset = file.read<std::uint64_t>("image/offset");
  const auto names = file.read_strings("image/name");
  std::vector<msn::ShardItem> items;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto bytes = std::as_bytes(std::span(all)).subspan(offset[i], offset[i + 1] - offset[i]);
    if (bytes.size() > max_seed) continue;
    msn::FileHandle(folder / names[i], O_WRONLY | O_CREAT | O_TRUNC).write_at(bytes, 0);
    if (bytes.empty()) continue;
    msn::ShardItem& item = items.emplace_back();
    item.bytes.assign(bytes.begin(), bytes.end());
    item.label = static_cast<std::int32_t>(i);
    item.width = item.height = 8;
    item.name = names[i];
  }
  return items;
}

/// A network of width 1, with everything that a file may hold, under the names that each program has for it.
void write_weights(const fs::path& folder) {
  msn::VitSizes sizes;
  sizes.width = sizes.depth = sizes.patch = sizes.grid = sizes.head_hidden = sizes.head_out = sizes.prototypes = 1;
  std::vector<msn::NamedTensor> official;
  for (const auto& [name, shape] : msn::vit_shapes(sizes)) {
    std::size_t bytes = 2;
    for (const std::int64_t extent : shape)
      bytes *= static_cast<std::size_t>(extent);
    official.push_back({name, "BF16", shape, [bytes] { return std::vector<std::byte>(bytes); }, ""});
  }
  const auto write = [&](const char* file, std::vector<msn::NamedTensor> tensors, const std::string& prefix) {
    for (msn::NamedTensor& tensor : tensors)
      tensor.name = prefix + tensor.name;
    msn::write_safetensors(folder / file, tensors, {{"format", "pt"}});
  };
  write("official", official, "");
  write("target", official, "target_encoder.module.");
  write("dino", official, "teacher.backbone.");
  std::vector<msn::NamedTensor> legacy = msn::to_hugging_face_names(official);
  write("hf", legacy, "");
  legacy.push_back({"classifier.bias", "F32", {1}, [] { return std::vector<std::byte>(4); }, ""});
  write("hf_classifier", legacy, "vit.");
}

void write_json(const fs::path& folder) {
  const std::pair<const char*, const char*> texts[] = {
      {"index", R"({"metadata": {"total_size": 8}, "weight_map": {"a": "one.safetensors", "b": "one.safetensors"}})"},
      {"hf", R"({"model_type": "vit_msn", "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3,
                 "patch_size": [4, 4], "image_size": 32, "hidden_act": "gelu", "qkv_bias": true, "num_channels": 3,
                 "layer_norm_eps": 1e-12})"},
      {"timm", R"({"architecture": "vit_tiny", "model_args": {"img_size": 32, "num_heads": 3, "embed_dim": 48},
                   "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 1e-3], "interpolation": "bicubic"}})"},
      {"preprocessor", R"({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3})"}};
  for (const auto& [name, text] : texts)
    msn::FileHandle(folder / name, O_WRONLY | O_CREAT | O_TRUNC)
        .write_at(std::as_bytes(std::span(std::string_view(text))), 0);
}

/// Images of a few bytes: the structure is what is to be changed, not they.
std::vector<msn::ShardItem> shortened(std::vector<msn::ShardItem> items, std::size_t count) {
  items.resize(count);
  for (msn::ShardItem& item : items)
    item.bytes.resize(8);
  return items;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fuzz_seeds AUGMENT.h5 FOLDER\n");
    return 2;
  }
  const fs::path folder = argv[2];
  fs::create_directories(folder / "decode");
  fs::create_directories(folder / "shard");
  fs::create_directories(folder / "weights");
  fs::create_directories(folder / "weights_json");
  const auto items = write_images(argv[1], folder / "decode");
  msn::write_shard(folder / "shard" / "one.h5", shortened(items, 1), {});
  msn::write_shard(folder / "shard" / "many.h5", shortened(items, 5), {});
  msn::write_shard(folder / "shard" / "left_out.h5", shortened(items, 2), {{"a.jpg", "empty"}, {"b.jpg", "truncated"}});
  write_weights(folder / "weights");
  write_json(folder / "weights_json");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
  return 1;
}
