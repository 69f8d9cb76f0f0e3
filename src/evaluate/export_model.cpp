// SPDX-License-Identifier: Apache-2.0
#include "evaluate/export_model.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>

#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "checkpoint/manifest.hpp"
#include "exchange/weights_config.hpp"
#include "train/weight_source.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// Last name of a path, also of one that ends in a slash.
fs::path last_name(const fs::path& path) {
  const fs::path name = fs::absolute(path).lexically_normal();
  return name.has_filename() ? name.filename() : name.parent_path().filename();
}

/// The configuration for other eyes: what things are called, not where they lie on this machine.
Config without_places(Config config) {
  const auto shorten = [](fs::path& path) {
    if (!path.empty()) path = last_name(path);
  };
  shorten(config.data.path);
  for (DataSetConfig& set : config.data.sets)
    shorten(set.path);
  config.data.staging.clear();
  shorten(config.model.init);
  return config;
}

NamedTensor converted(const NamedTensor& tensor, ExportType type) {
  NamedTensor out = tensor;
  if (tensor.dtype == "I64") return out;  // Of a batch norm, the batches that it has seen.
  if (type == ExportType::as_stored) {
    out.read = [tensor] {
      read_values(tensor);  // Finite, or an error.
      return tensor.read();
    };
    return out;
  }
  const at::ScalarType wanted = type == ExportType::bf16 ? at::kBFloat16 : at::kFloat;
  out.dtype = type == ExportType::bf16 ? "BF16" : "F32";
  out.read = [tensor, wanted] {
    const at::Tensor values = read_values(tensor).to(wanted).contiguous();
    if (!at::isfinite(values).all().item<bool>())
      throw numerics_error("the tensor holds a value that is too large for its new type", tensor.place,
                           "use other weights");
    const auto* begin = static_cast<const std::byte*>(values.const_data_ptr());
    return std::vector<std::byte>(begin, begin + values.nbytes());
  };
  return out;
}

/// The numbers of one step of RUN/metrics.jsonl that tell how the training was; what is not there says nothing.
std::vector<std::pair<std::string, double>> metrics_of(const fs::path& run, std::uint64_t step) {
  std::ifstream file(run / "metrics.jsonl");
  const std::string start = "{\"step\":" + std::to_string(step) + ",";
  std::vector<std::pair<std::string, double>> metrics;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(start)) continue;
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded()) continue;
    metrics.clear();
    for (const char* name : {"loss", "cross_entropy", "me_max", "entropy", "grad_norm", "prototypes_used"}) {
      if (json.contains(name) && json[name].is_number()) metrics.emplace_back(name, json[name].get<double>());
    }
  }
  return metrics;
}

TrainingFacts training_of(const fs::path& checkpoint, const CheckpointFacts& facts) {
  const fs::path run = fs::absolute(checkpoint).lexically_normal().parent_path().parent_path();
  return {facts.step,
          facts.epoch,
          facts.samples_seen,
          facts.global_batch,
          facts.seed,
          facts.data_fingerprint,
          metrics_of(run, facts.step)};
}

}  // namespace

ModelToExport model_to_export(const fs::path& weights, Network network, ExportType type, std::optional<int> heads) {
  const WeightSource source = open_weights(weights, network);
  const VitSizes sizes = measure_vit(source.vit, source.path);
  ModelToExport out;
  out.model.network = network;
  out.model.source = last_name(weights).string();
  if (source.is_checkpoint) {
    const CheckpointFacts facts = read_manifest(weights).facts;
    out.model.config = without_places(parse_config(facts.config_toml, source.path));
    out.model.training = training_of(weights, facts);
  } else {
    WeightsConfig described = weights_config(weights, sizes, heads);
    out.model.config = without_places(std::move(described.config));
    out.notes = std::move(described.notes);
  }
  if (!source.vit.passed_over.empty()) out.notes.push_back(passed_over_text(source.vit));
  if (type != ExportType::as_stored) out.model.dtype = type == ExportType::bf16 ? "BF16" : "F32";
  for (const NamedTensor& tensor : source.vit.tensors)
    out.model.tensors.push_back(converted(tensor, type));
  return out;
}

}  // namespace msn
