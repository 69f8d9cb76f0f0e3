// SPDX-License-Identifier: Apache-2.0
// The optimiser by the kernels of Kokkos, in host memory, against the CPU's kernels.
#include "train/kokkos_optimizer.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/kernel_forms.hpp"
#include "support/made_up.hpp"
#include "train/device_optimizer.hpp"

namespace msn {
namespace {

constexpr ScheduleValues kSchedule{.lr = 1e-2, .weight_decay = 0.1, .ema_momentum = 0.99, .sharpen = 0.25};

/// Weights, gradients, moments and shadows, of tensors that do not all end on 64 bytes.
struct Case {
  explicit Case(at::ScalarType type) : state(shape(), 7, type) {
    state.initialise(1);
    state.online.gradients().copy_(test::made_up({state.online.gradients().numel()}, type, 2));
    state.exp_avg_sq.copy_(test::made_up({state.exp_avg_sq.numel()}, type, 3).abs_());
    if (type == at::kFloat)
      shadows = {state.online.values().to(at::kBFloat16), state.target.values().to(at::kBFloat16)};
  }
  static VitShape shape() {
    VitShape shape;
    shape.width = 20;
    shape.depth = 2;
    shape.heads = 2;
    shape.patch = 4;
    shape.grid = 2;
    shape.head_hidden = 12;
    shape.head_out = 5;
    return shape;
  }
  std::vector<at::Tensor> written() const {
    std::vector<at::Tensor> all{state.online.values(), state.target.values(), state.exp_avg, state.exp_avg_sq};
    if (shadows.online.defined()) all.insert(all.end(), {shadows.online, shadows.target});
    return all;
  }

  TrainState state;
  WeightShadows shadows;
};

TEST(KokkosOptimizer, HasTheNormsAndMakesTheUpdatesOfTheRowKernels) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const bool frozen : {false, true}) {
      OptimizerOptions options;
      options.clip = 3;
      options.freeze_prototypes = frozen;
      options.ranks = 3;
      Case rows(type), kokkos(type);
      const GradientNorms want = gradient_norms(rows.state, options);
      update_state(rows.state, options, want, kSchedule, rows.shadows);

      const test::HostKernelForm form(KernelForm::kokkos);
      const GradientNorms norms = gradient_norms(kokkos.state, options);
      EXPECT_NEAR(norms.encoder, want.encoder, 1e-14 * want.encoder);
      EXPECT_NEAR(norms.prototypes, want.prototypes, 1e-14 * want.prototypes);
      const DeviceOptimizer optimizer(kokkos.state, options, kokkos.shadows);
      const at::Tensor scalars = tensor_of(update_scalars(kSchedule, 1));
      optimizer.decide(scalars, optimizer.gradient_norms(), at::full({1}, 0.0, at::kFloat));
      optimizer.update(scalars);
      const std::vector<at::Tensor> got = kokkos.written(), expected = rows.written();
      for (std::size_t i = 0; i < got.size(); ++i) {
        const double limit = type == at::kDouble ? 1e-14 : got[i].scalar_type() == at::kFloat ? 2e-7 : 1e-4;
        EXPECT_LE(test::relative_error(got[i], expected[i]), limit) << i;
      }
    }
  }
}

TEST(KokkosOptimizer, KeepsAllBitsWhereItIsNotAlive) {
  const test::HostKernelForm form(KernelForm::kokkos);
  Case kept(at::kFloat), before(at::kFloat);
  kept.state.online.gradients().narrow(0, 0, 100).fill_(std::nan(""));
  const DeviceOptimizer optimizer(kept.state, {}, kept.shadows);
  const at::Tensor scalars = tensor_of(update_scalars(kSchedule, 1));
  optimizer.decide(scalars, optimizer.gradient_norms(), at::full({1}, 0.0, at::kFloat));
  optimizer.update(scalars);
  const std::vector<at::Tensor> got = kept.written(), want = before.written();
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_TRUE(got[i].equal(want[i])) << i;
}

}  // namespace
}  // namespace msn
