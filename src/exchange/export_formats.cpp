// SPDX-License-Identifier: Apache-2.0
#include "exchange/export_formats.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "base/files.hpp"
#include "exchange/model_card.hpp"
#include "exchange/onnx.hpp"
#include "exchange/safetensors_writer.hpp"
#include "exchange/tensor_files.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::array<ExportFormat, 4> kFormats{{
    {"hf", "for transformers: a ViTMSNModel with the published names, its configuration and a model card",
     write_hugging_face},
    {"timm", "for timm: flat names, config.json for create_model(\"local-dir:DIR\")", write_timm},
    {"official", "layout of the official checkpoints, with head, prototypes and epoch; msn reads it too",
     write_official},
    {"onnx", "for onnxruntime and others: the encoder as model.onnx, images to class token and patches",
     write_onnx_folder},
}};

/// What readers of safetensors look for: tensors as PyTorch has them.
const std::map<std::string, std::string> kPlainMetadata{{"format", "pt"}};

void write_json(const fs::path& file, const Json& json) {
  write_durably(file, json.dump(2) + "\n");
}

void write_card(const ExportedModel& model, CardOf format, const fs::path& folder) {
  write_durably(folder / "README.md", model_card(model, format));
}

constexpr double kLayerNormEps = 1e-6;  // Of every network of msn's, as is the width of the MLPs.

int mlp_width(const ModelConfig& sizes) {
  return 4 * sizes.width;
}

const char* interpolation_name(const ExportedModel& model) {
  return model.config.views.interpolation == Interpolation::bicubic ? "bicubic" : "bilinear";
}

std::vector<NamedTensor> trunk_of(const ExportedModel& model) {
  std::vector<NamedTensor> trunk;
  for (const NamedTensor& tensor : model.tensors) {
    if (tensor.name != "prototypes" && !tensor.name.starts_with("fc.")) trunk.push_back(tensor);
  }
  return trunk;
}

Json hugging_face_config(const ExportedModel& model) {
  const ModelConfig& sizes = model.config.model;
  // The keys and values of the published files; dropout acts in training alone, and there is none.
  return {{"architectures", {"ViTMSNModel"}},
          {"attention_probs_dropout_prob", 0.0},
          {"dtype", model.dtype == "BF16" ? "bfloat16" : "float32"},
          {"hidden_act", "gelu"},
          {"hidden_dropout_prob", 0.0},
          {"hidden_size", sizes.width},
          {"image_size", sizes.image_size},
          {"initializer_range", 0.02},
          {"intermediate_size", mlp_width(sizes)},
          {"layer_norm_eps", kLayerNormEps},
          {"model_type", "vit_msn"},
          {"num_attention_heads", sizes.heads},
          {"num_channels", 3},
          {"num_hidden_layers", sizes.depth},
          {"patch_size", sizes.patch_size},
          {"qkv_bias", true}};
}

Json preprocessor_config(const ExportedModel& model) {
  const ViewsConfig& views = model.config.views;
  const int side = model.config.model.image_size;
  return {{"do_normalize", true},
          {"do_rescale", true},
          {"do_resize", true},
          {"image_mean", views.mean},
          {"image_processor_type", "ViTImageProcessor"},
          {"image_std", views.std},
          {"resample", views.interpolation == Interpolation::bicubic ? 3 : 2},  // As Pillow numbers its filters.
          {"rescale_factor", 1.0 / 255},
          {"size", {{"height", side}, {"width", side}}}};
}

/// The model of timm whose sizes come nearest; the arguments say the rest.
std::string_view timm_architecture(int width) {
  return width <= 192   ? "vit_tiny_patch16_224"
         : width <= 384 ? "vit_small_patch16_224"
         : width <= 768 ? "vit_base_patch16_224"
                        : "vit_large_patch16_224";
}

Json timm_config(const ExportedModel& model) {
  const ModelConfig& sizes = model.config.model;
  const ViewsConfig& views = model.config.views;
  return {{"architecture", timm_architecture(sizes.width)},
          {"num_classes", 0},
          {"num_features", sizes.width},
          {"global_pool", "token"},
          {"model_args",
           {{"img_size", sizes.image_size},
            {"patch_size", sizes.patch_size},
            {"embed_dim", sizes.width},
            {"depth", sizes.depth},
            {"num_heads", sizes.heads}}},
          {"pretrained_cfg",
           {{"tag", "msn"},
            {"custom_load", false},
            {"input_size", {3, sizes.image_size, sizes.image_size}},
            {"fixed_input_size", true},
            {"interpolation", interpolation_name(model)},
            {"crop_pct", 0.875},
            {"crop_mode", "center"},
            {"mean", views.mean},
            {"std", views.std},
            {"num_classes", 0},
            {"pool_size", nullptr},
            {"first_conv", "patch_embed.proj"},
            {"classifier", "head"}}}};
}

/// What to make of an image before the network can take it, and which network it is. Lists are JSON.
OnnxFacts onnx_facts(const ExportedModel& model) {
  const ViewsConfig& views = model.config.views;
  OnnxFacts facts{MSN_VERSION,
                  {{"image_size", std::to_string(model.config.model.image_size)},
                   {"mean", Json(views.mean).dump()},
                   {"std", Json(views.std).dump()},
                   {"interpolation", interpolation_name(model)},
                   {"network", model.network == Network::target ? "target" : "online"}}};
  if (model.training) facts.metadata.emplace_back("step", std::to_string(model.training->step));
  return facts;
}

}  // namespace

std::span<const ExportFormat> export_formats() {
  return kFormats;
}

void write_hugging_face(const ExportedModel& model, const fs::path& folder) {
  write_safetensors(folder / kModelFile, to_hugging_face_names(model.tensors), kPlainMetadata);
  write_json(folder / "config.json", hugging_face_config(model));
  write_json(folder / "preprocessor_config.json", preprocessor_config(model));
  write_card(model, CardOf::transformers, folder);
}

void write_timm(const ExportedModel& model, const fs::path& folder) {
  write_safetensors(folder / kModelFile, trunk_of(model), kPlainMetadata);
  write_json(folder / "config.json", timm_config(model));
  write_card(model, CardOf::timm, folder);
}

void write_official(const ExportedModel& model, const fs::path& folder) {
  std::vector<NamedTensor> tensors = model.tensors;
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != "prototypes")
      tensor.name = (model.network == Network::target ? "target_encoder." : "encoder.") + tensor.name;
  }
  std::map<std::string, std::string> metadata = kPlainMetadata;
  if (model.training) {
    metadata["epoch"] = std::to_string(model.training->epoch);
    metadata["step"] = std::to_string(model.training->step);
  }
  write_safetensors(folder / kModelFile, tensors, metadata);
  write_durably(folder / "config.toml", to_toml(model.config));
  write_card(model, CardOf::official, folder);
}

void write_onnx_folder(const ExportedModel& model, const fs::path& folder) {
  if (model.dtype == "BF16")
    throw config_error("ONNX models are written in float32 only", "--dtype bf16", "leave --dtype out");
  const ModelConfig& sizes = model.config.model;
  const OnnxEncoder encoder{.width = sizes.width,
                            .depth = sizes.depth,
                            .heads = sizes.heads,
                            .mlp = mlp_width(sizes),
                            .patch = sizes.patch_size,
                            .image = sizes.image_size,
                            .layer_norm_eps = kLayerNormEps};
  write_onnx(folder / "model.onnx", encoder, model.tensors, onnx_facts(model));
  write_card(model, CardOf::onnx, folder);
}

}  // namespace msn
