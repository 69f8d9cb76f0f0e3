// SPDX-License-Identifier: Apache-2.0
#include "evaluate/check_finite.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

#include "base/error.hpp"

namespace msn {

void check_finite(const at::Tensor& features, const std::string& where) {
  const at::Tensor finite = at::isfinite(features).all(1);
  for (std::int64_t row = 0; row < finite.size(0); ++row) {
    if (!finite.const_data_ptr<bool>()[row]) {
      throw numerics_error("the features of image " + std::to_string(row) + " are not finite numbers", where,
                           "look at the weights: msn verify the checkpoint, or take an earlier one");
    }
  }
}

}  // namespace msn
