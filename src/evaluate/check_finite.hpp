// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace msn {

/// Throws numerics_error, naming the first row of features [rows, width] that holds a number that is not finite.
/// `where` says whose features these are.
void check_finite(const at::Tensor& features, const std::string& where);

}  // namespace msn
