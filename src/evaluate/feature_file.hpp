// SPDX-License-Identifier: Apache-2.0
// Files of features for other programs (docs/formats.md): HDF5, or NumPy's .npy with a list of names beside it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "comm/world.hpp"
#include "data/shard.hpp"

namespace msn {

enum class FeatureFormat { hdf5, npy };
/// By the ending, .h5, .hdf5 or .npy. Throws usage_error for another one.
FeatureFormat feature_format(const std::filesystem::path& file);

/// What stands beside the features of n images.
struct FeatureTable {
  std::vector<std::string> names;    ///< n, in UTF-8.
  std::vector<std::int32_t> labels;  ///< n indices into classes, -1: none; or empty, where there are no classes.
  std::vector<std::string> classes;  ///< Empty: none.
  std::vector<BadImage> left_out;    ///< Images without a row.
  std::vector<std::pair<std::string, std::string>> facts;  ///< Name and value: what made the features.
};

/// The names' file of a .npy file: its name with .csv instead of .npy.
std::filesystem::path names_file(const std::filesystem::path& npy);

/// Which rows of the file are a rank's.
struct RowsOfRank {
  std::uint64_t total = 0;  ///< Of all ranks.
  std::uint64_t first = 0;
  at::Tensor values;  ///< float32 [rows, width], contiguous.
};

/// Writes the file beside and renames it. Rank 0 makes it from `table`, which only it needs; every rank puts its rows
/// into it, so that all hosts must see the folder. All ranks call. Throws AgreedError (data); nothing half-written
/// stays.
void write_feature_file(const World& world, const std::filesystem::path& file, const FeatureTable& table,
                        const RowsOfRank& rows, std::int64_t width);

}  // namespace msn
