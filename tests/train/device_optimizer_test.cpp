// SPDX-License-Identifier: Apache-2.0
// The optimiser of hosts that do not wait, in host memory, against the kernels.
#include "train/device_optimizer.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/reduce.hpp"
#include "support/kernels.hpp"
#include "train/finite.hpp"
#include "train/torch_optimizer.hpp"

namespace msn {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

TrainState made_up_state(at::ScalarType type) {
  VitShape shape;
  shape.width = 20;  // Not every tensor ends on 64 bytes.
  shape.depth = 2;
  shape.heads = 2;
  shape.patch = 4;
  shape.grid = 2;
  shape.head_hidden = 12;
  shape.head_out = 5;
  TrainState state(shape, 7, type);
  std::uint32_t seed = 1;
  const auto fill = [&](const Parameters& parameters, const at::Tensor& flat, double low, double high) {
    for (const Segment& segment : parameters.segments()) {
      const std::vector<double> values = test::uniform(segment.elements, low, high, seed++);
      const at::Tensor made = at::empty({segment.elements}, at::kDouble);
      std::copy(values.begin(), values.end(), made.mutable_data_ptr<double>());
      flat.narrow(0, segment.offset, segment.elements).copy_(made);
    }
  };
  fill(state.online, state.online.values(), -1, 1);
  fill(state.online, state.online.gradients(), -1, 1);
  fill(state.online, state.exp_avg, -0.1, 0.1);
  fill(state.online, state.exp_avg_sq, 0, 0.01);
  fill(state.target, state.target.values(), -1, 1);
  state.online.values()[0].fill_(-0.0);
  return state;
}

/// Everything of a state that an update writes.
std::vector<std::pair<std::string, at::Tensor>> written(const TrainState& state) {
  return {{"weights", state.online.values()},
          {"first moment", state.exp_avg},
          {"second moment", state.exp_avg_sq},
          {"target", state.target.values()}};
}

WeightShadows shadows_of(const TrainState& state) {
  return {state.online.values().to(at::kBFloat16), state.target.values().to(at::kBFloat16)};
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.itemsize() == 8 ? at::kLong : a.itemsize() == 4 ? at::kInt : at::kShort;
  return a.view(type).equal(b.view(type));
}

OptimizerOptions options_of(double clip, bool frozen, int ranks) {
  OptimizerOptions options;
  options.clip = clip;
  options.freeze_prototypes = frozen;
  options.ranks = ranks;
  return options;
}

constexpr ScheduleValues kSchedule{.lr = 1e-2, .weight_decay = 0.1, .ema_momentum = 0.99, .sharpen = 0.25};

at::Tensor flag(double value) {
  return at::full({1}, value, at::kFloat);
}

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor expected = want.to(at::kDouble);
  return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

// Of float32, rows of 1024 squares are summed in it.
TEST(DeviceOptimizer, HasTheNormsOfTheKernels) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    TrainState state = made_up_state(type);
    for (const int ranks : {1, 3}) {
      const OptimizerOptions options = options_of(3, false, ranks);
      const GradientNorms want = gradient_norms(state, options);
      const at::Tensor got = DeviceOptimizer(state, options).gradient_norms();
      const double limit = type == at::kDouble ? 1e-14 : 1e-6;
      ASSERT_EQ(got.scalar_type(), at::kDouble);
      EXPECT_NEAR(got[0].item<double>(), want.encoder, limit * want.encoder);
      EXPECT_NEAR(got[1].item<double>(), want.prototypes, limit * want.prototypes);
    }
  }
}

TEST(DeviceOptimizer, HasNormsThatAreNotFiniteWhereAGradientIsNot) {
  for (const double bad : {std::nan(""), kInf, -kInf}) {
    for (const char* name : {"cls_token", "fc.fc3.bias", "prototypes"}) {
      TrainState state = made_up_state(at::kFloat);
      state.online.gradient(name).flatten()[-1].fill_(bad);
      const at::Tensor norms = DeviceOptimizer(state, options_of(3, false, 1)).gradient_norms();
      const bool of_prototypes = std::string(name) == "prototypes";
      EXPECT_EQ(std::isfinite(norms[0].item<double>()), of_prototypes) << name;
      EXPECT_EQ(std::isfinite(norms[1].item<double>()), !of_prototypes) << name;
    }
  }
}

at::Tensor norms_of(double encoder, double prototypes) {
  const at::Tensor norms = at::empty({2}, at::kDouble);
  norms[0].fill_(encoder);
  norms[1].fill_(prototypes);
  return norms;
}

kernels::UpdateScalars decided(const at::Tensor& scalars) {
  kernels::UpdateScalars values{};
  std::memcpy(&values, scalars.const_data_ptr(), sizeof values);
  return values;
}

TEST(DeviceOptimizer, ClipsAsTheHostDoes) {
  TrainState state = made_up_state(at::kFloat);
  for (const double clip : {0.0, 0.5, 3.0}) {
    for (const double norm : {0.0, 1e-9, 0.5, 2.0, 1e20}) {
      const at::Tensor scalars = tensor_of(update_scalars(kSchedule, 1));
      DeviceOptimizer(state, options_of(clip, false, 1)).decide(scalars, norms_of(norm, 1), flag(0));
      const double want = kernels::clip_factor(norm, clip);
      EXPECT_NEAR(decided(scalars).clip_factor, want, 1e-15 * want) << clip << " " << norm;
      EXPECT_EQ(decided(scalars).alive, 1);
      EXPECT_EQ(decided(scalars).lr, kSchedule.lr);
    }
  }
}

TEST(DeviceOptimizer, StopsAtNumbersThatAreNotFiniteAndStaysStopped) {
  TrainState state = made_up_state(at::kFloat);
  const DeviceOptimizer optimizer(state, options_of(3, false, 2));
  const auto nan = std::nan("");
  for (const auto& [encoder, prototypes, not_finite] : {std::tuple{nan, 1.0, 0.0},
                                                        {kInf, 1.0, 0.0},
                                                        {1.0, nan, 0.0},
                                                        {1.0, kInf, 0.0},
                                                        {1.0, 1.0, 1.0},
                                                        {1.0, 1.0, 2.0},
                                                        {1.0, 1.0, nan}}) {
    const at::Tensor scalars = tensor_of(update_scalars(kSchedule, 1));
    optimizer.decide(scalars, norms_of(1, 1), flag(0));
    EXPECT_EQ(decided(scalars).alive, 1);
    optimizer.decide(scalars, norms_of(encoder, prototypes), flag(not_finite));
    EXPECT_EQ(decided(scalars).alive, 0);
    optimizer.decide(scalars, norms_of(1, 1), flag(0));
    EXPECT_EQ(decided(scalars).alive, 0) << "until the host says so";
  }
}

/// Three updates by the kernels and by the device's optimiser, of gradients that are sums over ranks.
void compare_updates(at::ScalarType type, const OptimizerOptions& options, bool shadowed) {
  TrainState rows = made_up_state(type), device = made_up_state(type);
  const WeightShadows of_rows = shadowed ? shadows_of(rows) : WeightShadows();
  const WeightShadows of_device = shadowed ? shadows_of(device) : WeightShadows();
  const DeviceOptimizer optimizer(device, options, of_device);
  const at::Tensor prototypes = device.online.value("prototypes").clone();
  for (int step = 0; step < 3; ++step) {
    for (TrainState* state : {&rows, &device})
      state->online.gradients().mul_(step == 1 ? -2 : 1);
    update_state(rows, options, gradient_norms(rows, options), kSchedule, of_rows);
    ++rows.step;
    const at::Tensor scalars = tensor_of(update_scalars(kSchedule, step + 1));
    optimizer.decide(scalars, optimizer.gradient_norms(), flag(0));
    optimizer.update(scalars);
  }
  EXPECT_TRUE(device.online.gradients().equal(rows.online.gradients())) << "they stay what they were";
  const auto want = written(rows), got = written(device);
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_LE(relative_error(got[i].second, want[i].second), type == at::kDouble ? 1e-14 : 2e-7) << want[i].first;
  EXPECT_EQ(device.online.value("prototypes").equal(prototypes), options.freeze_prototypes);
  if (!shadowed) return;
  EXPECT_TRUE(of_device.online.equal(device.online.values().to(at::kBFloat16)));
  EXPECT_TRUE(of_device.target.equal(device.target.values().to(at::kBFloat16)));
}

TEST(DeviceOptimizer, UpdatesAsTheKernelsDo) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const auto& [clip, frozen, ranks] :
         {std::tuple{0.0, false, 1}, {3.0, false, 1}, {3.0, false, 3}, {3.0, true, 3}}) {
      SCOPED_TRACE(std::to_string(clip) + (frozen ? " frozen, ranks " : ", ranks ") + std::to_string(ranks));
      compare_updates(type, options_of(clip, frozen, ranks), false);
      if (type == at::kFloat) compare_updates(type, options_of(clip, frozen, ranks), true);
    }
  }
}

TEST(DeviceOptimizer, HasTheSameBitsInAnyChunks) {
  const OptimizerOptions options = options_of(3, false, 2);
  TrainState whole = made_up_state(at::kFloat), parts = made_up_state(at::kFloat);
  const WeightShadows of_whole = shadows_of(whole), of_parts = shadows_of(parts);
  const at::Tensor scalars = tensor_of(update_scalars(kSchedule, 4));
  torch_update_state(whole, update_ranges(whole, options, 1), scalars, of_whole);
  torch_update_state(parts, update_ranges(parts, options, 1), scalars, of_parts, 1000);
  const auto want = written(whole), got = written(parts);
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_TRUE(same_bits(got[i].second, want[i].second)) << want[i].first;
  EXPECT_TRUE(same_bits(of_parts.online, of_whole.online));
  EXPECT_TRUE(same_bits(of_parts.target, of_whole.target));
}

TEST(DeviceOptimizer, LeavesPaddingZero) {
  TrainState state = made_up_state(at::kFloat);
  DeviceOptimizer(state, options_of(3, false, 1)).update(tensor_of(update_scalars(kSchedule, 1)));
  for (const auto& [name, flat] : written(state)) {
    const at::Tensor rest = flat.clone();
    for (const Segment& segment : state.online.segments()) {
      if (segment.offset < rest.numel()) rest.narrow(0, segment.offset, segment.elements).zero_();
    }
    EXPECT_TRUE(same_bits(rest, at::zeros_like(rest))) << name;
  }
}

TEST(DeviceOptimizer, KeepsAllBitsWhereItIsNotAlive) {
  const OptimizerOptions options = options_of(3, false, 2);
  for (const double bad : {1.0, std::nan(""), kInf}) {
    TrainState state = made_up_state(at::kFloat);
    const WeightShadows shadows = shadows_of(state);
    state.online.gradients().narrow(0, 0, state.online.gradients().numel() / 2).fill_(bad);
    std::vector<at::Tensor> before;
    for (const auto& [name, flat] : written(state))
      before.push_back(flat.clone());
    const at::Tensor shadow = shadows.online.clone(), target_shadow = shadows.target.clone();
    const DeviceOptimizer optimizer(state, options, shadows);
    const at::Tensor scalars = tensor_of(update_scalars(kSchedule, 1));
    optimizer.decide(scalars, optimizer.gradient_norms(), flag(bad == 1.0 ? 1 : 0));
    optimizer.update(scalars);
    const auto after = written(state);
    for (std::size_t i = 0; i < after.size(); ++i)
      EXPECT_TRUE(same_bits(after[i].second, before[i])) << after[i].first << " " << bad;
    EXPECT_TRUE(same_bits(shadows.online, shadow));
    EXPECT_TRUE(same_bits(shadows.target, target_shadow));
  }
}

TEST(UpdateScalars, HaveTheBiasCorrections) {
  const kernels::UpdateScalars scalars = update_scalars(kSchedule, 7);
  EXPECT_EQ(scalars.lr, kSchedule.lr);
  EXPECT_EQ(scalars.weight_decay, kSchedule.weight_decay);
  EXPECT_EQ(scalars.ema_momentum, kSchedule.ema_momentum);
  EXPECT_DOUBLE_EQ(scalars.correction1, 1 - std::pow(0.9, 7));
  EXPECT_DOUBLE_EQ(scalars.correction2, 1 - std::pow(0.999, 7));
  EXPECT_EQ(scalars.clip_factor, 1);
  EXPECT_EQ(scalars.alive, 1);
  EXPECT_EQ(tensor_of(scalars)[4].item<double>(), scalars.correction2);
}

TEST(BufferSnapshot, PutsStatisticsBackUnlessTheStepIsAlive) {
  for (const double alive : {0.0, 1.0}) {
    TrainState state = made_up_state(at::kFloat);
    const std::vector<BatchNormBuffers*> all{&state.online_buffers.bn1, &state.online_buffers.bn2,
                                             &state.target_buffers.bn1, &state.target_buffers.bn2};
    double value = 0;
    for (BatchNormBuffers* bn : all) {
      bn->running_mean.fill_(-0.0);
      bn->running_var.fill_(++value);
    }
    const BufferSnapshot snapshot(state);
    std::vector<const void*> places;
    for (BatchNormBuffers* bn : all) {
      bn->running_mean.fill_(std::nan(""));
      bn->running_var.fill_(kInf);
      ++bn->batches;
      places.push_back(bn->running_mean.const_data_ptr());
    }
    snapshot.restore_unless(at::full({}, alive, at::kDouble));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const at::Tensor mean = alive == 0 ? at::full({12}, -0.0F) : at::full({12}, std::nanf(""));
      const double variance = alive == 0 ? static_cast<double>(i + 1) : kInf;
      EXPECT_TRUE(same_bits(all[i]->running_mean, mean));
      EXPECT_TRUE(all[i]->running_var.eq(variance).all().item<bool>());
      EXPECT_EQ(all[i]->running_mean.const_data_ptr(), places[i]);
      EXPECT_EQ(all[i]->batches, 1);
    }
  }
}

TEST(NotFiniteFlag, IsOneIfAnyNumberIsNotFinite) {
  const LossParts good{.loss = 1, .cross_entropy = 2, .me_max = 3};
  EXPECT_EQ(not_finite_flag(values_of(good)).item<double>(), 0);
  for (const NamedPart& part : loss_parts()) {
    for (const double bad : {std::nan(""), -kInf}) {
      LossParts parts = good;
      parts.*part.value = bad;
      const at::Tensor values = values_of(parts);
      EXPECT_EQ(not_finite_flag(values).item<double>(), 1) << part.name;
      EXPECT_EQ(is_finite(parts_of(values)), false) << part.name;
    }
  }
}

}  // namespace
}  // namespace msn
