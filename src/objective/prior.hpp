// SPDX-License-Identifier: Apache-2.0
// The distribution over prototypes that the mean prediction is drawn to.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>

#include "config/config.hpp"

namespace msn {

/// log q [prototypes], float64, of the prior q that loss.prior names, Σ q = 1: "uniform" (MSN), "power_law", where
/// prototype k, from 1, has a weight of k^-prior_exponent (PMSN, Assran et al., arXiv 2210.07277, section 4), or a file
/// of that many weights above 0, apart by white space. Throws config_error if the file cannot be read or does not fit.
at::Tensor log_prior(const LossConfig& loss, std::int64_t prototypes);

}  // namespace msn
