// SPDX-License-Identifier: Apache-2.0
// Reads tensors from a file of a checkpoint.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "base/plain_hdf5.hpp"
#include "checkpoint/manifest.hpp"

namespace msn {

/// Whether a dataset of a file is what the manifest lists.
bool is_as_listed(const h5::PlainDataset& dataset, const ManifestTensor& tensor);

struct WantedTensor {
  const ManifestTensor* stored;
  std::span<std::byte> bytes;  ///< Where it goes.
};

/// Reads the file once, from its beginning to its end: hashes it, and puts the tensors that are wanted into their
/// places. Throws data_error, naming file or tensor, if a hash is not the manifest's or the file is not as msn writes
/// it; the tensors may be filled then.
void read_state_file(const std::filesystem::path& path, const ManifestFile& file,
                     const std::vector<WantedTensor>& wanted);

/// Throws data_error if the file's hash is not the manifest's.
void check_state_file(const std::filesystem::path& path, const ManifestFile& file);

}  // namespace msn
