// SPDX-License-Identifier: Apache-2.0
// The objective by LibTorch's operators, in host memory, against the kernels.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "comm/mpi_communicator.hpp"
#include "objective/msn_loss.hpp"
#include "objective/prior.hpp"
#include "objective/sinkhorn.hpp"
#include "support/kernel_forms.hpp"
#include "support/made_up.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

constexpr std::int64_t kSamples = 5;  // Of a rank.
constexpr std::int64_t kViews = 3;
constexpr std::int64_t kOut = 16;
constexpr std::int64_t kPrototypes = 37;
constexpr double kSharpen = 0.25;

/// One rank's share of a batch.
struct Embeddings {
  Embeddings(int rank, at::ScalarType type)
      : z(test::made_up({kViews * kSamples, kOut}, type, 100 + static_cast<std::uint32_t>(rank))),
        h(test::made_up({kSamples, kOut}, type, 200 + static_cast<std::uint32_t>(rank))),
        prototypes(test::made_up({kPrototypes, kOut}, type, 300)) {}
  at::Tensor z, h, prototypes;
};

struct Run {
  LossResult result;
  std::vector<std::string> messages;
};

Run run(KernelForm form, const Embeddings& in, const LossConfig& config) {
  const test::HostKernelForm forced(form);
  MpiCommunicator communicator(test::world());
  FlightRecorder& recorder = test::world().recorder();
  static std::uint64_t step = 1000;  // One for each run.
  recorder.set_step(++step);
  Run out;
  out.result = msn_loss(in.z, in.h, in.prototypes, at::full({}, kSharpen, at::kDouble), config,
                        log_prior(config, kPrototypes), communicator);
  for (const CollectiveRecord& record : recorder.records()) {
    if (record.step == step) out.messages.push_back(record.what + " " + std::to_string(record.bytes));
  }
  recorder.set_step(0);
  communicator.shutdown();
  return out;
}

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor expected = want.to(at::kDouble);
  return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

// A cosine's rounding to float32, 6e-8, becomes 40 times as much in the targets: one over both temperatures.
double limit(at::ScalarType type) {
  return type == at::kDouble ? 1e-12 : 1e-5;
}

void compare_forms(const LossConfig& config) {
  const int rank = test::world().rank();
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(type == at::kDouble ? "float64" : "float32");
    const Embeddings in(rank, type);
    const Run rows = run(KernelForm::rows, in, config), torch = run(KernelForm::torch, in, config);
    EXPECT_EQ(torch.messages, rows.messages);
    EXPECT_EQ(torch.messages.empty(), test::world().size() == 1);
    const LossResult &got = torch.result, &want = rows.result;
    EXPECT_EQ(got.values.scalar_type(), at::kDouble);
    for (std::int64_t i = 0; i < kLossParts; ++i) {
      const NamedPart& part = loss_parts()[static_cast<std::size_t>(i)];
      const double expected = want.parts.*part.value;
      EXPECT_NEAR(got.parts.*part.value, expected, limit(type) * std::abs(expected)) << part.name;
      for (const LossResult* result : {&got, &want})
        EXPECT_EQ(result->values[i].item<double>(), result->parts.*part.value) << part.name;
    }
    EXPECT_NEAR(got.parts.mean_entropy, want.parts.mean_entropy, limit(type) * std::abs(want.parts.mean_entropy));
    for (const LossResult* result : {&got, &want})
      EXPECT_EQ(result->values[kLossParts].item<double>(), result->parts.mean_entropy);
    EXPECT_EQ(got.parts.prototypes_used, want.parts.prototypes_used);
    EXPECT_TRUE(got.chosen.equal(want.chosen));
    for (const auto& member :
         {&LossResult::dz, &LossResult::dprototypes, &LossResult::sharpened, &LossResult::targets}) {
      EXPECT_EQ((got.*member).scalar_type(), type);
      EXPECT_EQ((got.*member).sizes(), (want.*member).sizes());
      EXPECT_LE(relative_error(got.*member, want.*member), limit(type));
    }
  }
}

LossConfig config_with(double me_max, double entropy, int sinkhorn, double smoothing) {
  LossConfig config;
  config.me_max = me_max;
  config.entropy = entropy;
  config.sinkhorn = sinkhorn;
  config.label_smoothing = smoothing;
  return config;
}

TEST(TorchLoss, IsThatOfTheKernels) {
  compare_forms(config_with(1, 0, 3, 0));
}

TEST(TorchLoss, WithoutSinkhornIsThatOfTheKernels) {
  compare_forms(config_with(1, 0, 0, 0));
}

TEST(TorchLoss, WithEntropyIsThatOfTheKernels) {
  compare_forms(config_with(5, 0.3, 3, 0));
}

TEST(TorchLoss, WithSmoothingIsThatOfTheKernels) {
  compare_forms(config_with(1, 0, 3, 0.2));
  compare_forms(config_with(1, 0.3, 0, 0.2));
}

TEST(TorchLoss, WithAPriorIsThatOfTheKernels) {
  LossConfig config = config_with(1.7, 0, 0, 0);
  config.prior = "power_law";
  config.prior_exponent = 0.25;
  compare_forms(config);
}

TEST(TorchLoss, PredictionsAreThoseOfTheKernels) {
  for (const double smoothing : {0.0, 0.1}) {
    const LossConfig config = config_with(1, 0, 0, smoothing);
    const Embeddings in(test::world().rank(), at::kDouble);
    const at::Tensor want = predictions(in.z, in.prototypes, kSharpen, config);
    const test::HostKernelForm torch(KernelForm::torch);
    EXPECT_LE(relative_error(predictions(in.z, in.prototypes, kSharpen, config), want), limit(at::kDouble));
  }
}

// A number that is not finite on one rank shows there, and on the others where theirs hangs on it, in either form.
TEST(TorchLoss, ShowsOneRanksNumbersThatAreNotFinite) {
  const int rank = test::world().rank(), last = test::world().size() - 1;
  for (const int sinkhorn : {0, 3}) {
    for (const double bad : {std::nan(""), HUGE_VAL}) {
      for (at::Tensor Embeddings::*member : {&Embeddings::z, &Embeddings::h}) {
        const LossConfig config = config_with(1, 0, sinkhorn, 0);
        const Embeddings in(rank, at::kFloat);
        if (rank == last) (in.*member)[0][3].fill_(bad);
        for (const KernelForm form : {KernelForm::rows, KernelForm::torch}) {
          const LossResult result = run(form, in, config).result;
          const bool spoilt = rank == last || member == &Embeddings::z || sinkhorn > 0;
          EXPECT_EQ(std::isfinite(result.parts.loss), !spoilt) << name_of(form) << " " << bad;
          EXPECT_EQ(result.values.isfinite().all().item<bool>(), !spoilt);
          EXPECT_EQ(result.dz.isfinite().all().item<bool>(), !spoilt);
        }
      }
    }
  }
}

TEST(TorchLoss, CountsEachPrototypeOnce) {
  const test::HostKernelForm torch(KernelForm::torch);
  const Embeddings in(test::world().rank(), at::kDouble);
  in.h.copy_(in.h[0].clone().expand_as(in.h));
  EXPECT_EQ(run(KernelForm::torch, in, config_with(1, 0, 0, 0)).result.parts.prototypes_used, 1);
}

}  // namespace
}  // namespace msn
