// SPDX-License-Identifier: Apache-2.0
// All weights of one network in one flat buffer. Everything that walks weights (reduction over ranks, clipping, AdamW,
// EMA, hashes, checkpoints) walks ranges of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace msn {

struct NamedShape {
  std::string name;  ///< Official name, for instance "blocks.0.attn.qkv.weight".
  std::vector<std::int64_t> shape;
};

/// Where one tensor lies in the flat buffer.
struct Segment {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  ///< In elements; the byte offset is a multiple of 64.
  std::int64_t elements = 0;
};

/// One flat buffer of one scalar type (float32, or float64 for replays and tests) with named views into it. Every
/// tensor starts on a 64-byte boundary; the padding between them is zero and stays so.
class Parameters {
 public:
  enum class Gradients { none, with };

  Parameters(const std::vector<NamedShape>& tensors, at::ScalarType type, Gradients gradients,
             at::Device device = at::kCPU);

  const std::vector<Segment>& segments() const { return segments_; }
  const Segment& segment(std::string_view name) const;
  at::ScalarType type() const { return values_.scalar_type(); }
  at::Device device() const { return values_.device(); }

  /// The whole buffer, one-dimensional, padding included.
  const at::Tensor& values() const { return values_; }
  /// As values(); undefined without gradients.
  const at::Tensor& gradients() const { return gradients_; }
  /// Room for 64 bytes of flags right behind the gradients, in the same memory: they can ride on a message that holds
  /// the last gradients. No part of gradients(). Undefined without gradients.
  const at::Tensor& gradient_flags() const { return gradient_flags_; }

  /// A view with the tensor's shape. Throws internal_error for an unknown name.
  at::Tensor value(std::string_view name) const { return view(values_, segment(name)); }
  at::Tensor gradient(std::string_view name) const { return view(gradients_, segment(name)); }

  /// A view of `flat` (a buffer with this layout: values, gradients, moments) with the segment's shape.
  static at::Tensor view(const at::Tensor& flat, const Segment& segment);

  /// Number of elements without padding.
  std::int64_t count() const;

 private:
  std::vector<Segment> segments_;
  std::unordered_map<std::string, std::size_t> index_;
  at::Tensor values_;
  at::Tensor gradients_;
  at::Tensor gradient_flags_;
};

}  // namespace msn
