// SPDX-License-Identifier: Apache-2.0
#include "reference/procedural_values.hpp"

#include <ATen/ops/empty.h>

#include <cmath>
#include <string>

namespace msn::reference {
namespace {

template <class T>
void fill(const at::Tensor& tensor, std::string_view name, double offset, double scale) {
  const std::uint64_t hash = fnv1a(name);
  T* values = tensor.mutable_data_ptr<T>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    values[i] = static_cast<T>(offset + scale * procedural_number(hash, static_cast<std::uint64_t>(i)));
}

}  // namespace

std::uint64_t fnv1a(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

double procedural_number(std::uint64_t hash, std::uint64_t i) {
  std::uint64_t z = hash + (i + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  z = z ^ (z >> 31);
  return static_cast<double>(z >> 11) * 0x1p-53 * 2 - 1;
}

void fill_procedurally(const Parameters& parameters) {
  for (const Segment& segment : parameters.segments()) {
    const std::string& name = segment.name;
    const bool is_norm = name.find("norm") != std::string::npos || name.find(".bn") != std::string::npos;
    double offset = 0;
    double scale = 0.1;  // Every bias.
    if (name == "cls_token" || name == "pos_embed") {
      scale = 0.5;
    } else if (name.ends_with(".weight") && is_norm) {
      offset = 1;
      scale = 0.2;
    } else if (name.ends_with(".weight")) {
      const std::int64_t inputs = segment.elements / segment.shape[0];
      scale = 2 / std::sqrt(static_cast<double>(inputs));
    }
    const at::Tensor value = parameters.value(name);
    if (parameters.type() == at::kFloat) {
      fill<float>(value, name, offset, scale);
    } else {
      fill<double>(value, name, offset, scale);
    }
  }
}

at::Tensor procedural_image(std::int64_t size) {
  const at::Tensor image = at::empty({1, 3, size, size}, at::kDouble);
  fill<double>(image, "image" + std::to_string(size), 0, 2);
  return image;
}

}  // namespace msn::reference
