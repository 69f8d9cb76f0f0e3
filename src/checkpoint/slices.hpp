// SPDX-License-Identifier: Apache-2.0
// Which rank writes which tensors of a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace msn {

/// A run of whole tensors, [begin, end) of the state's, that one rank writes to one file.
struct Slice {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string file;         ///< "state-00000-of-00002.h5"
  std::uint64_t bytes = 0;  ///< Of its tensors.
};

/// Cuts tensors of these sizes in bytes, in order, into at most `writers` (at least 1) slices of about equal size, none
/// of them without a tensor. Slice i is rank i's.
std::vector<Slice> cut_into_slices(std::span<const std::uint64_t> sizes, int writers);

}  // namespace msn
