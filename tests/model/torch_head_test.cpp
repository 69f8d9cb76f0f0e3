// SPDX-License-Identifier: Apache-2.0
// The projection head by LibTorch's operators, in host memory, against the kernels.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "comm/mpi_communicator.hpp"
#include "model/head.hpp"
#include "support/kernel_forms.hpp"
#include "support/made_up.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

VitShape shape() {
  VitShape shape;
  shape.width = 16;
  shape.depth = 1;
  shape.heads = 2;
  shape.patch = 4;
  shape.grid = 2;
  shape.head_hidden = 24;
  shape.head_out = 8;
  return shape;
}

/// A network whose products have biases so large that a variance around another mean than its own would show.
Parameters network(at::ScalarType type, Parameters::Gradients gradients, std::uint32_t seed) {
  Parameters parameters(encoder_tensors(shape()), type, gradients);
  for (const Segment& segment : parameters.segments()) {
    parameters.value(segment.name).copy_(test::made_up(segment.shape, type, seed++));
    if (segment.name.starts_with("fc.fc") && segment.name.ends_with(".bias")) parameters.value(segment.name).add_(10);
  }
  return parameters;
}

using Named = std::vector<std::pair<std::string, at::Tensor>>;

/// Rows of the random, the focal and the target's group on each rank; a single one has no variance there.
std::vector<std::int64_t> group_rows(bool few) {
  return few ? std::vector<std::int64_t>{3, 4, 1} : std::vector<std::int64_t>{75, 11, 12};
}

/// Everything that a pass forward and back through both heads writes. On the last rank one element of the focal group
/// is `spoilt`.
Named pass(KernelForm form, at::ScalarType type, bool few, double spoilt = 0) {
  const test::HostKernelForm forced(form);
  MpiCommunicator communicator(test::world());
  const auto rank = static_cast<std::uint32_t>(communicator.rank());
  const Parameters online = network(type, Parameters::Gradients::with, 1);
  const Parameters target = network(type, Parameters::Gradients::none, 50);
  const Head online_head(online), target_head(target);
  HeadBuffers online_buffers(shape(), type), target_buffers(shape(), type);
  const std::vector<std::int64_t> rows = group_rows(few);
  std::vector<at::Tensor> x, dz;
  for (std::size_t g = 0; g < rows.size(); ++g) {
    const auto seed = 100 + 10 * rank + static_cast<std::uint32_t>(g);
    x.push_back(test::made_up({rows[g], shape().width}, type, seed).add_(3));
    dz.push_back(test::made_up({rows[g], shape().head_out}, type, seed + 500));
  }
  if (rank + 1 == static_cast<std::uint32_t>(communicator.size()) && spoilt != 0) x[1][0][2].fill_(spoilt);
  HeadTape tapes[2];
  std::vector<HeadGroup> groups{{&online_head, &online_buffers, x[0], &tapes[0]},
                                {&online_head, &online_buffers, x[1], &tapes[1]},
                                {&target_head, &target_buffers, x[2], nullptr}};
  const std::vector<at::Tensor> z = heads_forward(groups, communicator);
  groups.pop_back();
  dz.pop_back();
  const std::vector<at::Tensor> dx = heads_backward(groups, dz, communicator);
  communicator.shutdown();

  Named out{{"z random", z[0]}, {"z focal", z[1]}, {"z target", z[2]}, {"dx random", dx[0]}, {"dx focal", dx[1]}};
  for (const char* name : {"fc.fc1.weight", "fc.bn1.weight", "fc.bn1.bias", "fc.fc2.weight", "fc.bn2.weight",
                           "fc.bn2.bias", "fc.fc3.weight", "fc.fc3.bias"})
    out.emplace_back(name, online.gradient(name));
  for (const HeadBuffers* buffers : {&online_buffers, &target_buffers}) {
    for (const BatchNormBuffers* bn : {&buffers->bn1, &buffers->bn2}) {
      out.emplace_back("running mean", bn->running_mean);
      out.emplace_back("running variance", bn->running_var);
    }
  }
  EXPECT_EQ(online_buffers.bn2.batches, 2);
  EXPECT_EQ(target_buffers.bn1.batches, 1);
  for (const char* name : {"fc.fc1.bias", "fc.fc2.bias"})
    EXPECT_EQ(online.gradient(name).abs().max().item<double>(), 0) << name;
  return out;
}

// The gradients of a batch norm's inputs are what is left when their mean and their slope are taken away, and errors
// are not: they are up to ten times as large in proportion.
double limit(at::ScalarType type) {
  return type == at::kDouble ? 1e-12 : 1e-5;
}

TEST(TorchHead, IsThatOfTheKernels) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const bool few : {false, true}) {
      if (few && test::world().size() == 1) continue;
      const Named want = pass(KernelForm::rows, type, few), got = pass(KernelForm::torch, type, few);
      for (std::size_t i = 0; i < want.size(); ++i) {
        const at::Tensor expected = want[i].second.to(at::kDouble);
        const double error = ((got[i].second.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
        EXPECT_EQ(got[i].second.scalar_type(), type);
        EXPECT_LE(error, limit(type)) << want[i].first << (few ? ", few rows" : "");
      }
    }
  }
}

// The statistics are of all ranks' rows, so that all of a group's embeddings hang on each other.
TEST(TorchHead, SpoilsTheGroupWithANumberThatIsNotFinite) {
  for (const double spoilt : {std::nan(""), HUGE_VAL}) {
    const Named want = pass(KernelForm::rows, at::kFloat, false, spoilt);
    const Named got = pass(KernelForm::torch, at::kFloat, false, spoilt);
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i].second.isfinite().all().item<bool>(), want[i].second.isfinite().all().item<bool>())
          << want[i].first;
    }
    EXPECT_TRUE(got[0].second.isfinite().all().item<bool>());
    EXPECT_FALSE(got[1].second.isfinite().any().item<bool>());
    EXPECT_TRUE(got[2].second.isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace msn
