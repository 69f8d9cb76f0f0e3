// SPDX-License-Identifier: Apache-2.0
// Features that were made before, in files that h5py opens (docs/formats.md).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/files.hpp"
#include "comm/world.hpp"
#include "data/dataset.hpp"
#include "evaluate/features.hpp"

namespace msn {

/// All that decides the rows of these samples, but for what rounds their last bits: a line for each part. Empty if the
/// maker's rows are not worth keeping.
std::string feature_key(const FeatureMaker& maker, const DataSet& set, std::span<const std::uint64_t> samples);

/// The file of a key in a folder of such files.
std::filesystem::path feature_cache_file(const std::filesystem::path& folder, const std::string& key);

/// The rows float32 [rows, width] that a file holds for exactly this key. Throws data_error for a file that is damaged,
/// of another key, of another shape or none of these at all; the HDF5 library does not see it.
at::Tensor read_feature_cache(const FileHandle& file, const std::string& key, std::int64_t rows, std::int64_t width);

/// Writes a file beside and renames it. Throws data_error; nothing half-written stays.
void write_feature_cache(const std::filesystem::path& file, const std::string& key, const at::Tensor& values);

/// extract_features() of a data set's samples, from `cache` if it has them, and kept there if it has not. Only rank 0
/// reads and writes files. One that cannot be used is made anew, and one that cannot be written is done without; both
/// are warned of. All ranks call.
at::Tensor cached_features(const World& world, const std::optional<std::filesystem::path>& cache, const DataSet& set,
                           std::span<const std::uint64_t> samples, const FeatureMaker& maker,
                           const ExtractionOptions& options);

}  // namespace msn
