// SPDX-License-Identifier: Apache-2.0
// A network as msn has it on disk, made ready for exchange/export_formats.hpp.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "exchange/exported_model.hpp"

namespace msn {

/// The type of exported weights; as_stored leaves each tensor's bytes as they are.
enum class ExportType { fp32, bf16, as_stored };

struct ModelToExport {
  ExportedModel model;
  std::vector<std::string> notes;  ///< What a reader of the log should know, one line each.
};

/// The network of a checkpoint folder, with what the checkpoint and RUN/metrics.jsonl beside it say of its training, or
/// of files of weights (train/weight_source.hpp). `heads` is for the latter where nothing beside them says it. Every
/// value that is read is checked: the tensors' read() throws numerics_error, naming the tensor, for one that is not
/// finite. Rank 0 only.
///
/// Throws config_error for what is no network of msn's, data_error for damaged files.
ModelToExport model_to_export(const std::filesystem::path& weights, Network network, ExportType type,
                              std::optional<int> heads = std::nullopt);

}  // namespace msn
