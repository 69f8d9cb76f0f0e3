// SPDX-License-Identifier: Apache-2.0
#include "evaluate/linear_probe.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr int kClasses = 10;
constexpr std::int64_t kWidth = 48;
constexpr std::int64_t kBatch = 32;

/// The recorded steps of one rule and weight decay, in `type`: every parameter after every step, and the losses.
void replay(NesterovRule rule, const std::string& decay, at::ScalarType type, double tolerance) {
  const std::string group = std::string(rule == NesterovRule::official ? "official" : "torch") + "_decay_" + decay;
  const h5::File file(test::golden("eval.h5"), h5::Mode::read);
  auto train = file.read<double>("train");
  const auto labels = file.read<std::int32_t>("train_label");
  const auto batch = file.read<std::int64_t>("probe/batch");
  const auto rates = file.read<double>("probe/rate");
  const auto losses = file.read<double>("probe/" + group + "/loss");
  const at::Tensor features = at::from_blob(train.data(), {600, kWidth}, at::kDouble);

  const LinearProbe probe(kWidth, kClasses, type);
  for (const Segment& segment : probe.parameters().segments()) {
    auto start = file.read<double>("probe/start/" + segment.name);
    probe.parameters().value(segment.name).copy_(at::from_blob(start.data(), segment.shape, at::kDouble));
  }
  SgdStep step;
  step.momentum = file.real_attribute("probe", "momentum");
  step.weight_decay = file.real_attribute("probe/" + group, "weight_decay");
  step.rule = rule;
  const at::Tensor buffer = at::zeros_like(probe.parameters().values());
  ASSERT_EQ(rates.size(), 5u);
  for (std::size_t s = 0; s < rates.size(); ++s) {
    std::vector<at::Tensor> rows;
    std::vector<std::int32_t> row_labels;
    probe.parameters().gradients().zero_();
    double loss = 0;
    // In two parts, as two ranks or a large batch would.
    for (std::int64_t begin : {0, 20}) {
      const std::int64_t end = begin == 0 ? 20 : kBatch;
      std::vector<std::int64_t> part(batch.begin() + static_cast<std::ptrdiff_t>(s) * kBatch + begin,
                                     batch.begin() + static_cast<std::ptrdiff_t>(s) * kBatch + end);
      const at::Tensor index = at::from_blob(part.data(), {end - begin}, at::kLong);
      std::vector<std::int32_t> part_labels;
      for (const std::int64_t row : part)
        part_labels.push_back(labels[static_cast<std::size_t>(row)]);
      loss += probe.add_gradients(features.index_select(0, index).to(type), part_labels, kBatch);
    }
    EXPECT_NEAR(loss / kBatch, losses[s], tolerance * std::abs(losses[s])) << group << " step " << s;
    step.lr = rates[s];
    sgd_step(probe.parameters(), buffer, step);
    for (const Segment& segment : probe.parameters().segments()) {
      auto trail = file.read<double>("probe/" + group + "/" + segment.name);
      const at::Tensor want =
          at::from_blob(trail.data() + static_cast<std::int64_t>(s) * segment.elements, segment.shape, at::kDouble);
      const at::Tensor got = probe.parameters().value(segment.name).to(at::kDouble);
      EXPECT_LE((got - want).abs().max().item<double>(), tolerance * (1 + want.abs().max().item<double>()))
          << group << " " << segment.name << " step " << s;
    }
  }
}

TEST(LinearProbe, TakesTheRecordedStepsOfBothRules) {
  for (const NesterovRule rule : {NesterovRule::official, NesterovRule::torch}) {
    for (const char* decay : {"0", "0.001"}) {
      replay(rule, decay, at::kDouble, 1e-10);
      replay(rule, decay, at::kFloat, 1e-5);
    }
  }
}

TEST(LinearProbe, BeginsWithSmallWeightsThatDependOnTheSeedAlone) {
  const LinearProbe one(64, 100, at::kFloat), same(64, 100, at::kFloat), other(64, 100, at::kFloat);
  one.initialise(1);
  same.initialise(1);
  other.initialise(2);
  EXPECT_TRUE(one.parameters().values().equal(same.parameters().values()));
  EXPECT_FALSE(one.parameters().values().equal(other.parameters().values()));
  const at::Tensor weight = one.parameters().value("linear.weight");
  EXPECT_NEAR(weight.std().item<double>(), 0.01, 3e-4);  // 6,400 values: a standard error of 9e-5.
  EXPECT_EQ(one.parameters().value("linear.bias").abs().max().item<double>(), 0);
  EXPECT_EQ(one.parameters().value("norm.weight").min().item<double>(), 1);
}

TEST(LinearProbe, TakesARowWithoutDirectionForTheBiasAlone) {
  const LinearProbe probe(4, 3, at::kDouble);
  probe.initialise(1);
  probe.parameters().value("linear.bias")[1].fill_(2);
  const at::Tensor constant = at::zeros_like(probe.parameters().value("linear.weight")).narrow(0, 0, 1).fill_(7);
  EXPECT_TRUE(probe.scores(constant)[0].equal(probe.parameters().value("linear.bias")));
}

}  // namespace
}  // namespace msn
