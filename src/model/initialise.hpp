// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "model/parameters.hpp"

namespace msn {

/// Fills a network with the official distributions: linear weights, class token and positions truncated normal
/// (standard deviation 0.02, cut at ±2), patch embedding normal with variance 2 / (3 patch²) (He et al., arXiv
/// 1502.01852, fan-in), norms 1, all biases 0, and, where the network has them, prototypes [K, out] uniform in
/// ±1/sqrt(out). Every tensor has its own stream keyed by (seed, name), so that its values depend on nothing else.
void initialise(const Parameters& parameters, std::uint64_t seed);

}  // namespace msn
