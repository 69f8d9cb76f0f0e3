// SPDX-License-Identifier: Apache-2.0
#include "train/kokkos_optimizer.hpp"

#include <ATen/ops/empty.h>

#include <cstring>
#include <type_traits>

#include "kernels/device/adamw.hpp"
#include "kernels/device/reduce.hpp"
#include "model/device_queue.hpp"
#include "model/kernel_types.hpp"

namespace msn {

at::Tensor kokkos_gradient_norms(const TrainState& state, const OptimizerOptions& options) {
  const at::Tensor& gradients = state.online.gradients();
  const at::TensorOptions numbers = gradients.options().dtype(at::kDouble);
  const std::int64_t encoder = state.encoder_end(), prototypes = gradients.numel() - encoder;
  const at::Tensor squares = at::empty({2}, numbers);
  const at::Tensor sums = at::empty({kernels::device::sum_of_squares_scratch(gradients.numel())}, numbers);
  with_parameter_type(gradients.scalar_type(), [&]<class T>(T) {
    const auto sum = [&](std::int64_t begin, std::int64_t count, std::int64_t which) {
      kernels::device::sum_of_squares<T>(device_queue(gradients), elements<T>(gradients) + begin, count,
                                         elements<double>(squares) + which, elements<double>(sums));
    };
    sum(0, encoder, 0);
    sum(encoder, prototypes, 1);
  });
  return at::Tensor(squares).sqrt_().div_(options.ranks);
}

at::Tensor kokkos_update_pieces(const std::vector<kernels::UpdateRange>& ranges, at::Device device) {
  static_assert(std::is_trivially_copyable_v<kernels::UpdateRange>);
  const std::vector<kernels::UpdateRange> pieces = kernels::device::update_pieces(ranges);
  const std::size_t bytes = pieces.size() * sizeof(kernels::UpdateRange);
  const at::Tensor table = at::empty({static_cast<std::int64_t>(bytes)}, at::kByte);
  std::memcpy(table.mutable_data_ptr(), pieces.data(), bytes);
  return table.to(device);
}

void kokkos_update_state(TrainState& state, const at::Tensor& pieces, const at::Tensor& scalars,
                         const WeightShadows& shadows) {
  constexpr kernels::AdamWStep step;
  MSN_CHECK(scalars.numel() == kernels::kUpdateScalars);
  with_parameter_type(state.online.type(), [&]<class T>(T) {
    kernels::device::adamw_ema<T>(
        device_queue(pieces),
        {elements<T>(state.online.values()), elements<T>(state.online.gradients()), elements<T>(state.exp_avg),
         elements<T>(state.exp_avg_sq), elements<T>(state.target.values()), elements<kernels::Bf16>(shadows.online),
         elements<kernels::Bf16>(shadows.target), step.beta1, step.beta2, step.eps},
        static_cast<const kernels::UpdateRange*>(pieces.const_data_ptr()),
        pieces.numel() / static_cast<std::int64_t>(sizeof(kernels::UpdateRange)),
        reinterpret_cast<const kernels::UpdateScalars*>(elements<double>(scalars)));
  });
}

}  // namespace msn
