// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "exchange/named_tensor.hpp"

namespace msn {

/// Writes a safetensors file: wider types first and otherwise in the order given, so that every tensor is aligned to
/// its elements; the header is padded with spaces to make the data begin at a multiple of 64 bytes. `metadata` becomes
/// "__metadata__". Equal tensors give equal files. Written beside as FILE.tmp, fsynced, renamed: a reader sees the old
/// file or the whole new one. One tensor at a time is in memory.
///
/// Throws data_error if it cannot be written, internal_error for a dtype that is not known, a name twice, and bytes
/// that are not as many as the shape needs; whatever read() throws.
void write_safetensors(const std::filesystem::path& file, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace msn
