// SPDX-License-Identifier: Apache-2.0
#include "objective/msn_loss.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <functional>
#include <string>

#include "base/random.hpp"
#include "comm/mpi_communicator.hpp"
#include "objective/prior.hpp"
#include "objective/sinkhorn.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

constexpr std::int64_t kSamples = 8;  // Over all ranks.
constexpr std::int64_t kViews = 3;
constexpr std::int64_t kOut = 5;
constexpr std::int64_t kPrototypes = 6;

at::Tensor noise(const std::string& name, std::vector<std::int64_t> shape) {
  const at::Tensor tensor = at::empty(shape, at::kDouble);
  RandomStream stream(1, name, Purpose::init);
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    tensor.mutable_data_ptr<double>()[i] = stream.normal();
  return tensor;
}

/// This rank's rows of a view-major matrix of `views` views.
at::Tensor share(const at::Tensor& all, std::int64_t views, int rank, int size) {
  const std::int64_t local = kSamples / size;
  return all.unflatten(0, {views, kSamples}).narrow(1, rank * local, local).flatten(0, 1).contiguous();
}

LossConfig config_with(double me_max, double entropy, int sinkhorn) {
  LossConfig config;
  config.me_max = me_max;
  config.entropy = entropy;
  config.sinkhorn = sinkhorn;
  return config;
}

// The loss of the whole batch on one rank is the reference; it is a plain function of z and prototypes while the
// targets are held, so central differences give its gradient.
void compare_with_differences(const LossConfig& config) {
  const MpiCommunicator communicator(test::world());
  const int rank = communicator.rank(), size = communicator.size();
  const at::Tensor z = noise("z", {kViews * kSamples, kOut});
  const at::Tensor h = noise("h", {kSamples, kOut});
  const at::Tensor prototypes = noise("prototypes", {kPrototypes, kOut});
  const at::Tensor prior = log_prior(config, kPrototypes);
  const LossResult mine =
      msn_loss(share(z, kViews, rank, size), share(h, 1, rank, size), prototypes, 0.25, config, prior, communicator);
  const at::Tensor summed = mine.dprototypes.clone();
  communicator.sum(summed, "gradients");

  // The global loss with fixed targets, written out plainly.
  const at::Tensor all_targets = at::empty({kSamples, kPrototypes}, at::kDouble);
  {
    const at::Tensor gathered = communicator.gather(mine.targets.contiguous().flatten(), "targets");
    all_targets.copy_(gathered.reshape({kSamples, kPrototypes}));
  }
  const auto global_loss = [&](const at::Tensor& zs, const at::Tensor& ps) {
    const at::Tensor zn = zs / zs.norm(2, {1}, true);
    const at::Tensor pn = ps / ps.norm(2, {1}, true);
    const at::Tensor p = zn.matmul(pn.t()).div(config.temperature).softmax(1).mul(1 - config.label_smoothing) +
                         config.label_smoothing / kPrototypes;
    const at::Tensor mean = p.mean(0);
    const at::Tensor loss = -(all_targets.repeat({kViews, 1}) * p.log()).sum(1).mean() +
                            (mean * (mean.log() - prior)).sum() * config.me_max -
                            (p * p.log()).sum(1).mean() * config.entropy;
    return loss.item<double>();
  };
  const auto difference = [&](at::Tensor tensor, std::int64_t i, const std::function<double()>& loss) {
    double& value = tensor.mutable_data_ptr<double>()[i];
    const double kept = value, step = 1e-5;
    value = kept + step;
    const double above = loss();
    value = kept - step;
    const double below = loss();
    value = kept;
    return (above - below) / (2 * step);
  };
  const auto loss = [&] { return global_loss(z, prototypes); };
  // The rank's own gradients are of its local mean: `size` times their share of the global mean.
  const at::Tensor dz = mine.dz / size;
  const std::int64_t local = kSamples / size;
  for (std::int64_t v = 0; v < kViews; ++v) {
    const std::int64_t row = v * kSamples + rank * local;
    for (std::int64_t c = 0; c < kOut; ++c) {
      EXPECT_NEAR(dz[v * local][c].item<double>(), difference(z, row * kOut + c, loss), 1e-8);
    }
  }
  for (std::int64_t i = 0; i < prototypes.numel(); ++i) {
    EXPECT_NEAR(summed.flatten()[i].item<double>() / size, difference(prototypes, i, loss), 1e-8);
  }
}

TEST(MsnLoss, GradientsMatchDifferencesOfTheGlobalLoss) {
  compare_with_differences(config_with(1.7, 0.3, 3));
}

// KL(mean || prior) = -H(mean) - the sum of mean log prior, which for the uniform one is log K - H(mean).
TEST(MsnLoss, TellsTheEntropyOfTheMeanPrediction) {
  const MpiCommunicator communicator(test::world());
  const int rank = communicator.rank(), size = communicator.size();
  const at::Tensor z = noise("z", {kViews * kSamples, kOut}), h = noise("h", {kSamples, kOut});
  const at::Tensor prototypes = noise("prototypes", {kPrototypes, kOut});
  std::vector<double> entropies;
  for (const char* name : {"uniform", "power_law"}) {
    LossConfig config = config_with(1, 0, 3);
    config.prior = name;
    const LossResult mine = msn_loss(share(z, kViews, rank, size), share(h, 1, rank, size), prototypes, 0.25, config,
                                     log_prior(config, kPrototypes), communicator);
    if (config.prior == "uniform") {
      EXPECT_NEAR(mine.parts.mean_entropy, std::log(kPrototypes) - mine.parts.me_max, 1e-12);
    }
    entropies.push_back(mine.parts.mean_entropy);
  }
  EXPECT_EQ(entropies[0], entropies[1]);
}

TEST(MsnLoss, GradientsMatchDifferencesWithSmoothing) {
  LossConfig config = config_with(1.7, 0.3, 3);
  config.label_smoothing = 0.2;
  compare_with_differences(config);
}

TEST(MsnLoss, GradientsMatchDifferencesWithAPrior) {
  LossConfig config = config_with(1.7, 0, 0);
  config.prior = "power_law";
  config.prior_exponent = 1;
  compare_with_differences(config);
}

// One anchor whose prediction is (0.1, 0.3, 0.6): with unit prototypes along the axes and z along log p, the cosines
// over a temperature of 1 / |log p| are log p.
TEST(MsnLoss, MatchesValuesByHand) {
  const World one_rank = World::alone();
  const MpiCommunicator alone(one_rank);
  const at::Tensor log_p = at::tensor({0.1, 0.3, 0.6}, at::kDouble).log_();
  const at::Tensor z = log_p.unsqueeze(0);
  LossConfig config = config_with(1, 0, 0);
  config.temperature = 1 / log_p.norm().item<double>();
  const auto parts = [&](double sharpen) {
    return msn_loss(z, z, at::eye(3, at::kDouble), sharpen, config, log_prior(config, 3), alone).parts;
  };
  // KL(mean || uniform) = log 3 - H(0.1, 0.3, 0.6), and KL(mean || (6, 3, 2) / 11) = Σ p log(p / q).
  const double h = -(0.1 * std::log(0.1) + 0.3 * std::log(0.3) + 0.6 * std::log(0.6));
  EXPECT_NEAR(parts(1).me_max, std::log(3.0) - h, 1e-14);
  EXPECT_NEAR(parts(1).cross_entropy, h, 1e-14);
  config.prior = "power_law";
  config.prior_exponent = 1;
  EXPECT_NEAR(parts(1).me_max,
              0.1 * std::log(0.1 * 11 / 6) + 0.3 * std::log(0.3 * 11 / 3) + 0.6 * std::log(0.6 * 11 / 2), 1e-14);
  // Half of the uniform distribution: predictions (13, 19, 28) / 60, targets their squares, normalised: / 1314.
  config.label_smoothing = 0.5;
  EXPECT_NEAR(parts(0.5).cross_entropy,
              -(169 * std::log(13 / 60.0) + 361 * std::log(19 / 60.0) + 784 * std::log(28 / 60.0)) / 1314, 1e-14);
}

TEST(MsnLoss, DoesNotDependOnHowTheBatchIsShared) {
  const MpiCommunicator communicator(test::world());
  const int rank = communicator.rank(), size = communicator.size();
  const at::Tensor z = noise("z", {kViews * kSamples, kOut});
  const at::Tensor h = noise("h", {kSamples, kOut});
  const at::Tensor prototypes = noise("prototypes", {kPrototypes, kOut});
  const LossConfig config = config_with(1, 0, 3);
  const at::Tensor prior = log_prior(config, kPrototypes);
  const LossResult mine =
      msn_loss(share(z, kViews, rank, size), share(h, 1, rank, size), prototypes, 0.25, config, prior, communicator);
  const World one_rank = World::alone();
  const MpiCommunicator alone(one_rank);
  const LossResult whole = msn_loss(z, h, prototypes, 0.25, config, prior, alone);

  EXPECT_NEAR(mine.parts.me_max, whole.parts.me_max, 1e-13);
  const at::Tensor cross_entropy = at::empty({1}, at::kDouble).fill_(mine.parts.cross_entropy);
  communicator.sum(cross_entropy, "cross-entropy");
  EXPECT_NEAR(cross_entropy.item<double>() / size, whole.parts.cross_entropy, 1e-13);
  EXPECT_LT((mine.targets - share(whole.targets, 1, rank, size)).abs().max().item<double>(), 1e-13);
  EXPECT_LT((mine.dz / size - share(whole.dz, kViews, rank, size)).abs().max().item<double>(), 1e-13);
}

TEST(Sinkhorn, BalancesPrototypesOverTheGlobalBatch) {
  const MpiCommunicator communicator(test::world());
  const at::Tensor all = noise("h", {kSamples, kPrototypes}).softmax(1);
  const at::Tensor mine = share(all, 1, communicator.rank(), communicator.size());
  const at::Tensor balanced = sinkhorn(mine, all.sum(), 50, communicator);
  EXPECT_LT((balanced.sum(1) - 1).abs().max().item<double>(), 1e-12);
  const at::Tensor mass = balanced.sum(0).contiguous();
  communicator.sum(mass, "mass");
  const double even = static_cast<double>(kSamples) / kPrototypes;
  EXPECT_LT((mass - even).abs().max().item<double>(), 1e-6 * even);
}

}  // namespace
}  // namespace msn
