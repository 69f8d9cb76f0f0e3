// SPDX-License-Identifier: Apache-2.0
// Tensors made from their names by a formula (tests/golden/README.md, "Value generator"), so that recordings of large
// models need no weights beside them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "model/parameters.hpp"

namespace msn::reference {

/// FNV-1a, 64 bits.
std::uint64_t fnv1a(std::string_view name);

/// The number v in [-1, 1) at the flat row-major index `i` of the tensor whose name has the hash `hash`.
double procedural_number(std::uint64_t hash, std::uint64_t i);

/// Fills a network's weights, each by the rule of its kind.
void fill_procedurally(const Parameters& parameters);

/// The image "image224" or "image96": float64 [1, 3, size, size].
at::Tensor procedural_image(std::int64_t size);

}  // namespace msn::reference
