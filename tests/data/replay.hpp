// SPDX-License-Identifier: Apache-2.0
// Repeats what Pillow and torchvision did in a file like augment.h5 (tests/golden/README-data.md) and counts what
// comes out differently.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "data/pixel_kernels.hpp"

namespace msn::test {

/// Every form of the kernels that this processor can run.
std::vector<const PixelKernels*> all_kernels();

/// What came of one operation.
struct Replay {
  std::string operation;
  std::size_t cases = 0;
  std::size_t different = 0;           ///< Cases with other results.
  std::uint64_t differing_bytes = 0;   ///< In results that the file holds; of others it holds only hashes.
  std::vector<std::string> first_few;  ///< Names of the first cases with other results.
};

/// Decodes every image: those that Pillow decodes to the same pixels, size and orientation tag, the others not at all.
Replay replay_decoding(const h5::File& file);

/// Every operation in the file with this form of the kernels. What resizes is compared in both orders of the passes
/// where the file has both: NAME (pillow13) and NAME (horizontal). For chains every stage is a case. The inputs must
/// decode; throws data_error where one does not and has no stored pixels.
std::vector<Replay> replay_operations(const h5::File& file, const PixelKernels& kernels);

}  // namespace msn::test
