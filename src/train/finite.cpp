// SPDX-License-Identifier: Apache-2.0
#include "train/finite.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>

namespace msn {

bool is_finite(const LossParts& parts) {
  return std::all_of(loss_parts().begin(), loss_parts().end(),
                     [&](const NamedPart& part) { return std::isfinite(parts.*part.value); });
}

at::Tensor all_finite(const at::Tensor& values) {
  return (values - values).eq_(0).all();  // What is not finite has no difference.
}

at::Tensor not_finite_flag(const at::Tensor& values) {
  return all_finite(values).eq(0).to(at::kDouble);
}

std::vector<NotFinite> tensors_not_finite(const Parameters& parameters, const at::Tensor& flat) {
  std::vector<NotFinite> found;
  for (const Segment& segment : parameters.segments()) {
    const at::Tensor values = flat.narrow(0, segment.offset, segment.elements);
    const auto finite = at::isfinite(values).sum().item<std::int64_t>();
    if (finite != segment.elements)
      found.push_back({segment.name, static_cast<std::uint64_t>(segment.elements - finite)});
  }
  return found;
}

BufferSnapshot::BufferSnapshot(TrainState& state) {
  for (HeadBuffers* buffers : {&state.online_buffers, &state.target_buffers}) {
    for (BatchNormBuffers* bn : {&buffers->bn1, &buffers->bn2})
      saved_.emplace_back(bn, BatchNormBuffers{bn->running_mean.clone(), bn->running_var.clone(), bn->batches});
  }
}

void BufferSnapshot::restore() const {
  for (const auto& [buffers, before] : saved_) {
    buffers->running_mean.copy_(before.running_mean);
    buffers->running_var.copy_(before.running_var);
    buffers->batches = before.batches;
  }
}

void BufferSnapshot::restore_unless(const at::Tensor& alive) const {
  const at::Tensor kept = alive.ne(0);
  for (const auto& [buffers, before] : saved_) {
    at::where_out(buffers->running_mean, kept, buffers->running_mean, before.running_mean);
    at::where_out(buffers->running_var, kept, buffers->running_var, before.running_var);
  }
}

}  // namespace msn
