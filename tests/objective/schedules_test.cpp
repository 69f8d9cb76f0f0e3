// SPDX-License-Identifier: Apache-2.0
#include "objective/schedules.hpp"

#include <gtest/gtest.h>

#include "base/hdf5.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

// 2,020 steps of the published ViT-S/16 schedule, recorded from the official schedulers.
TEST(Schedules, MatchTheOfficialOnes) {
  const h5::File file(test::golden("schedules.h5"), h5::Mode::read);
  const auto steps = file.read<std::int64_t>("step");
  const auto lr = file.read<double>("lr");
  const auto weight_decay = file.read<double>("weight_decay");
  const auto momentum = file.read<double>("ema_momentum");
  const auto sharpen = file.read<double>("sharpen_T");
  const auto ramp = file.read<double>("sharpen_T_ramp_035_025");
  const Config config;  // The defaults are the published values.
  LossConfig ramped = config.loss;
  ramped.sharpen = {0.35, 0.25};
  const Schedules schedules(config.optim, config.loss, config.train, 1251);
  const Schedules with_ramp(config.optim, ramped, config.train, 1251);
  ASSERT_EQ(steps.size(), 2020u);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const ScheduleValues values = schedules.at(steps[i]);
    const auto near = [&](double got, double want, const char* what) {
      EXPECT_NEAR(got, want, 1e-12 * want) << what << " of step " << steps[i];
    };
    near(values.lr, lr[i], "lr");
    near(values.weight_decay, weight_decay[i], "weight decay");
    near(values.ema_momentum, momentum[i], "momentum");
    near(values.sharpen, sharpen[i], "T");
    near(with_ramp.at(steps[i]).sharpen, ramp[i], "T of the ramp");
  }
}

TEST(Schedules, ScaleTheLearningRateWithTheBatch) {
  Config config;
  const double as_written = Schedules(config.optim, config.loss, config.train, 10).at(3).lr;
  config.optim.lr_reference_batch = 256;
  config.train.global_batch = 512;
  EXPECT_DOUBLE_EQ(Schedules(config.optim, config.loss, config.train, 10).at(3).lr, 2 * as_written);
}

TEST(Schedules, WorkWithoutWarmUp) {
  Config config;
  config.optim.warmup_epochs = 0;
  config.train.epochs = 1;
  const Schedules schedules(config.optim, config.loss, config.train, 4);
  EXPECT_LT(schedules.at(0).lr, config.optim.lr[1]);
  EXPECT_GT(schedules.at(0).lr, schedules.at(3).lr);
  EXPECT_GE(schedules.at(3).lr, config.optim.lr[2]);
}

}  // namespace
}  // namespace msn
