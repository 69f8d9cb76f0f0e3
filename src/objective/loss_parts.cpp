// SPDX-License-Identifier: Apache-2.0
#include "objective/loss_parts.hpp"

#include <ATen/ops/empty.h>

#include <iterator>

#include "base/error.hpp"

namespace msn {

std::span<const NamedPart> loss_parts() {
  static constexpr NamedPart parts[] = {
      {"loss", &LossParts::loss},
      {"cross_entropy", &LossParts::cross_entropy},
      {"me_max", &LossParts::me_max},
      {"entropy", &LossParts::entropy},
      {"prototypes_used", &LossParts::prototypes_used},
      {"max_target", &LossParts::max_target},
      {"min_target", &LossParts::min_target},
  };
  static_assert(std::size(parts) == kLossParts);
  return parts;
}

at::Tensor values_of(const LossParts& parts) {
  at::Tensor values = at::empty({kLossValues}, at::kDouble);
  double* value = values.mutable_data_ptr<double>();
  for (const NamedPart& part : loss_parts())
    *value++ = parts.*part.value;
  *value = parts.mean_entropy;
  return values;
}

LossParts parts_of(const at::Tensor& values) {
  MSN_CHECK(values.is_cpu() && values.is_contiguous() && values.numel() == kLossValues);
  LossParts parts;
  const double* value = values.const_data_ptr<double>();
  for (const NamedPart& part : loss_parts())
    parts.*part.value = *value++;
  parts.mean_entropy = *value;
  return parts;
}

}  // namespace msn
