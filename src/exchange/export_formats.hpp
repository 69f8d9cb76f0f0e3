// SPDX-License-Identifier: Apache-2.0
// The forms in which msn export writes a network. Each is a function that fills a folder.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "exchange/exported_model.hpp"

namespace msn {

struct ExportFormat {
  std::string_view name;
  std::string_view help;  ///< One line.
  /// Fills an empty folder; every file is durable when it returns. Throws data_error if it cannot write, config_error
  /// for a type that the form has not, and what the tensors throw when they are read.
  void (*write)(const ExportedModel& model, const std::filesystem::path& folder);
};

/// All of them; `msn export --format` takes their names.
std::span<const ExportFormat> export_formats();

/// model.safetensors with the names that Hugging Face publishes ViTMSN with, config.json, preprocessor_config.json and
/// a model card. The trunk alone: transformers knows no head.
void write_hugging_face(const ExportedModel& model, const std::filesystem::path& folder);
/// model.safetensors with flat official names, which are timm's, config.json for timm.create_model("local-dir:FOLDER")
/// and a model card. The trunk alone.
void write_timm(const ExportedModel& model, const std::filesystem::path& folder);
/// model.safetensors in the layout of the official checkpoints: "target_encoder.NAME" (of an online network
/// "encoder.NAME") with the head and its statistics, "prototypes"; metadata `epoch`, `step`. With config.toml and a
/// model card. What msn import writes too: all that msn reads goes on from it.
void write_official(const ExportedModel& model, const std::filesystem::path& folder);
/// model.onnx (exchange/onnx.hpp), beyond 1.5 GiB with model.onnx.data, and a model card. The trunk alone, in float32.
/// Metadata of the model: `image_size`, `mean` and `std` as lists of JSON, `interpolation`, `network`, and of a
/// training `step`.
void write_onnx_folder(const ExportedModel& model, const std::filesystem::path& folder);

}  // namespace msn
