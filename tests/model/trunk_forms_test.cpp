// SPDX-License-Identifier: Apache-2.0
// The whole trunk in the form of devices against that of the CPU's kernels: the same weights, views and gradient.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <vector>

#include "model/initialise.hpp"
#include "model/trunk.hpp"
#include "support/kernel_forms.hpp"
#include "support/made_up.hpp"

namespace msn {
namespace {

using test::made_up;
using test::relative_error;

VitShape shape() {
  VitShape shape;
  shape.width = 40;
  shape.depth = 3;
  shape.heads = 5;
  shape.patch = 4;
  shape.grid = 4;
  shape.head_hidden = 8;
  shape.head_out = 8;
  return shape;
}

at::Tensor positions(std::vector<std::int64_t> kept) {
  const at::Tensor keep = at::empty({static_cast<std::int64_t>(kept.size())}, at::kLong);
  std::copy(kept.begin(), kept.end(), keep.mutable_data_ptr<std::int64_t>());
  return keep;
}

/// Masked views of the trunk's own size, and small ones whose positions are resampled.
ViewGroups views(at::ScalarType type, bool mask_per_image, bool drop_path) {
  const VitShape of = shape();
  const at::ScalarType parameters = type == at::kBFloat16 ? at::kFloat : type;
  ViewGroup random, focal;
  random.patches = made_up({3, 5, of.patch_values()}, type, 1);
  random.grid = 4;
  random.keep = mask_per_image ? positions({3, 1, 15, 8, 0, 1, 2, 3, 4, 5, 15, 14, 8, 1, 0}).view({3, 5})
                               : positions({9, 3, 0, 15, 4});
  focal.patches = made_up({4, 9, of.patch_values()}, type, 2);
  focal.grid = 3;
  if (drop_path) random.branch_scale = made_up({of.depth, 2, 3}, parameters, 3).round().add_(1);
  return {random, focal};
}

struct Computed {
  at::Tensor cls, gradients;
};

Computed compute(KernelForm form, at::ScalarType type, const ViewGroups& groups, Recompute recompute) {
  const test::HostKernelForm in_force(form);
  const bool half = type == at::kBFloat16;
  Parameters parameters(encoder_tensors(shape()), half ? at::kFloat : type, Parameters::Gradients::with);
  initialise(parameters, 5);
  // Biases and layer norms that do something, which they do not at the beginning.
  for (const Segment& segment : parameters.segments()) {
    if (segment.shape.size() == 1)
      parameters.value(segment.name).add_(made_up(segment.shape, parameters.type(), 7), 0.3);
  }
  parameters.gradients().zero_();
  const Trunk trunk(parameters, shape(), half ? parameters.values().to(type) : at::Tensor(), recompute);
  Tape tape;
  Computed result;
  result.cls = trunk.forward(groups, &tape);
  trunk.backward(made_up(result.cls.sizes(), result.cls.scalar_type(), 4), tape);
  result.gradients = parameters.gradients();
  EXPECT_LT(relative_error(trunk.forward(groups, nullptr), result.cls), 1e-30) << "with and without a tape";
  return result;
}

double tolerance(at::ScalarType type) {
  return type == at::kDouble ? 1e-10 : type == at::kFloat ? 1e-5 : 2e-2;
}

TEST(TrunkForms, TorchComputesWhatTheRowKernelsDo) {
  const at::NoGradGuard no_autograd;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (const bool mask_per_image : {false, true}) {
      for (const bool drop_path : {false, true}) {
        SCOPED_TRACE(testing::Message() << c10::toString(type) << " masks " << mask_per_image << " drop " << drop_path);
        const ViewGroups groups = views(type, mask_per_image, drop_path);
        const Computed want = compute(KernelForm::rows, type, groups, Recompute::norms_and_activations);
        const Computed got = compute(KernelForm::torch, type, groups, Recompute::norms_and_activations);
        EXPECT_LE(relative_error(got.cls, want.cls), tolerance(type));
        EXPECT_LE(relative_error(got.gradients, want.gradients), tolerance(type));
        EXPECT_GT(want.gradients.norm().item<double>(), 1);
      }
    }
  }
}

TEST(TrunkForms, RecomputationChangesNoBitInTheFormOfDevices) {
  const at::NoGradGuard no_autograd;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const ViewGroups groups = views(type, false, true);
    const Computed kept = compute(KernelForm::torch, type, groups, Recompute::nothing);
    const Computed again = compute(KernelForm::torch, type, groups, Recompute::norms_and_activations);
    EXPECT_TRUE(kept.cls.equal(again.cls));
    EXPECT_TRUE(kept.gradients.equal(again.gradients));
  }
}

}  // namespace
}  // namespace msn
