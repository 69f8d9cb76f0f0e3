// SPDX-License-Identifier: Apache-2.0
#include "model/initialise.hpp"

#include <ATen/ops/empty.h>

#include <cmath>
#include <string_view>

#include "base/random.hpp"

namespace msn {
namespace {

constexpr double kStandardDeviation = 0.02;
constexpr double kCut = 2.0;

/// Fills `tensor` with draw() in row-major order; the values are the same, rounded, for float32 and float64.
template <class Draw>
void fill(const at::Tensor& tensor, Draw draw) {
  const at::Tensor values = at::empty(tensor.sizes(), at::kDouble);
  double* data = values.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i)
    data[i] = draw();
  tensor.copy_(values);
}

bool ends_with(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

}  // namespace

void initialise(const Parameters& parameters, std::uint64_t seed) {
  for (const Segment& segment : parameters.segments()) {
    const at::Tensor tensor = parameters.value(segment.name);
    RandomStream stream(seed, segment.name, Purpose::init);
    if (segment.name == "prototypes") {
      const double bound = 1.0 / std::sqrt(static_cast<double>(tensor.size(1)));
      fill(tensor, [&] { return stream.uniform(-bound, bound); });
    } else if (segment.name == "patch_embed.proj.weight") {
      const double deviation = std::sqrt(2.0 / static_cast<double>(tensor[0].numel()));
      fill(tensor, [&] { return deviation * stream.normal(); });
    } else if (segment.shape.size() > 1) {
      fill(tensor, [&] {
        double value = kStandardDeviation * stream.normal();
        while (std::abs(value) > kCut)
          value = kStandardDeviation * stream.normal();
        return value;
      });
    } else {
      tensor.fill_(ends_with(segment.name, ".weight") ? 1.0 : 0.0);
    }
  }
}

}  // namespace msn
