// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include <ATen/ops/zeros.h>

#include "base/error.hpp"

namespace msn {

namespace {
constexpr std::int64_t kAlignment = 64;  // Bytes: a cache line, and the widest vector register.
}

Parameters::Parameters(const std::vector<NamedShape>& tensors, at::ScalarType type, Gradients gradients,
                       at::Device device) {
  const std::int64_t step = kAlignment / static_cast<std::int64_t>(c10::elementSize(type));
  std::int64_t offset = 0;
  for (const NamedShape& tensor : tensors) {
    Segment segment{tensor.name, tensor.shape, offset, 1};
    for (const std::int64_t size : tensor.shape)
      segment.elements *= size;
    offset += (segment.elements + step - 1) / step * step;
    const bool is_new = index_.emplace(segment.name, segments_.size()).second;
    MSN_CHECK(is_new);
    segments_.push_back(std::move(segment));
  }
  const auto options = at::TensorOptions().dtype(type).device(device);
  values_ = at::zeros({offset}, options);
  MSN_CHECK(reinterpret_cast<std::uintptr_t>(values_.data_ptr()) % kAlignment == 0);
  if (gradients == Gradients::none) return;
  const at::Tensor whole = at::zeros({offset + step}, options);
  gradients_ = whole.narrow(0, 0, offset);
  gradient_flags_ = whole.narrow(0, offset, step);
}

const Segment& Parameters::segment(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  if (found == index_.end()) throw internal_error("no parameter named " + std::string(name), "Parameters::segment");
  return segments_[found->second];
}

at::Tensor Parameters::view(const at::Tensor& flat, const Segment& segment) {
  return flat.narrow(0, segment.offset, segment.elements).view(segment.shape);
}

std::int64_t Parameters::count() const {
  std::int64_t total = 0;
  for (const Segment& segment : segments_)
    total += segment.elements;
  return total;
}

}  // namespace msn
