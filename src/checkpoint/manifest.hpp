// SPDX-License-Identifier: Apache-2.0
// manifest.json: what a checkpoint holds (docs/formats.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace msn {

enum class ElementType { f32, f64, i64 };

/// Bytes of one element.
std::size_t element_size(ElementType type);
/// "float32", "float64" or "int64".
std::string_view element_name(ElementType type);
/// Bytes of a tensor. Throws data_error, naming `name`, for a negative dimension or more than 2^62 bytes.
std::uint64_t tensor_bytes(ElementType type, const std::vector<std::int64_t>& shape, const std::string& name);

/// Whether `name` is safe as the name of a file in a folder and of a dataset in a file: 1 to 255 letters, digits, '.',
/// '_' and '-', not beginning with '.'.
bool is_plain_name(std::string_view name);

/// What a checkpoint says about the run.
struct CheckpointFacts {
  std::uint64_t step = 0;   ///< Completed steps.
  std::uint64_t epoch = 0;  ///< Epoch of the next step.
  std::uint64_t samples_seen = 0;
  std::uint64_t seed = 0;
  std::uint64_t global_batch = 0;
  int world_size = 1;  ///< Of the run that wrote it.
  std::string config_digest;
  std::string config_toml;             ///< The resolved configuration.
  std::string data_fingerprint;        ///< Of the packed data set.
  std::uint64_t skipped = 0;           ///< Of `step`, those that were left out because their numbers were not finite.
  std::uint64_t skipped_in_a_row = 0;  ///< Of these, the last ones.
  // What the last bits depend on beside the ranks and the version of msn; unknown in manifests of early versions.
  int threads = 0;                 ///< Compute threads of a rank; 0: unknown.
  std::string torch;               ///< Version of LibTorch; empty: unknown.
  std::string instruction_set;     ///< That LibTorch uses; empty: unknown.
  std::string processor;           ///< Its kind; empty: unknown.
  std::string gemm;                ///< Which back ends computed matrix products; empty: unknown.
  std::string device;              ///< What computed the steps, in words; empty: processors.
  std::optional<double> knn_top1;  ///< Of this state, as the run measured it; 0 to 1.

  bool operator==(const CheckpointFacts&) const = default;
};

struct ManifestTensor {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  std::string file;  ///< In which file it is the dataset of this name.
  std::string hash;  ///< Of its bytes.

  bool operator==(const ManifestTensor&) const = default;
};

struct ManifestFile {
  std::string name;
  std::uint64_t size = 0;  ///< Bytes of the whole file.
  std::string hash;        ///< Of the whole file.

  bool operator==(const ManifestFile&) const = default;
};

/// For people; comparisons leave it out.
struct ManifestOrigin {
  std::string time;  ///< UTC, as "2024-01-31T12:00:00Z".
  std::string host;
  std::string version;
};

struct Manifest {
  static constexpr int kFormatVersion = 1;

  CheckpointFacts facts;
  std::vector<ManifestTensor> tensors;
  std::vector<ManifestFile> files;
  ManifestOrigin written;

  /// Whether both describe the same state in the same files, whenever and wherever written.
  bool same_state(const Manifest& other) const {
    return facts == other.facts && tensors == other.tensors && files == other.files;
  }
};

/// The data error for a format that this program is too old for: the checkpoint is not damaged.
class NewerVersionError : public Error {
 public:
  explicit NewerVersionError(const std::string& where)
      : Error(ExitCode::data, "written by a newer version of msn", where, "read it with that version") {}
};

/// The text of manifest.json.
std::string manifest_text(const Manifest& manifest);
/// Parses and checks a text: format version, plain and unique names, known types, tensors that fit in the files they
/// name, no duplicate keys, and its own hash. `where` is used in messages. Throws data_error (NewerVersionError for a
/// format not known yet).
Manifest parse_manifest(std::string_view text, const std::string& where);

/// parse_manifest of `checkpoint/manifest.json`, and check_presence of every file that it lists. Throws data_error.
Manifest read_manifest(const std::filesystem::path& checkpoint);

/// parse_manifest of `checkpoint/manifest.json` alone. Throws data_error.
Manifest read_manifest_alone(const std::filesystem::path& checkpoint);
/// What lies in the folder and is no part of the checkpoint, sorted.
std::vector<std::filesystem::path> unknown_files(const std::filesystem::path& checkpoint, const Manifest& manifest);
/// The file is a regular file (no link) of its size. Throws data_error.
void check_presence(const std::filesystem::path& checkpoint, const ManifestFile& file);

}  // namespace msn
