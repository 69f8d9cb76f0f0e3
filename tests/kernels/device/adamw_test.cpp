// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/adamw.hpp"

#include "kernels/device/compare.hpp"
#include "kernels/device/device_memory.hpp"

namespace msn {
namespace {

using kernels::Bf16;
using test::DeviceArray;

constexpr std::int64_t kSize = 50001, kTarget = 40000;
constexpr Bf16 kUntouched{0x1234};
constexpr double kClip = 0.75;

/// Flat buffers of several pieces, made up.
template <class T>
struct Buffers {
  std::vector<T> parameters = test::stored<T>(test::uniform(kSize, -1, 1, 1));
  std::vector<T> gradients = test::stored<T>(test::uniform(kSize, -1, 1, 2));
  std::vector<T> exp_avg = test::stored<T>(test::uniform(kSize, -0.1, 0.1, 3));
  std::vector<T> exp_avg_sq = test::stored<T>(test::uniform(kSize, 0, 0.01, 4));
  std::vector<T> target = test::stored<T>(test::uniform(kTarget, -1, 1, 5));
  std::vector<Bf16> shadow{static_cast<std::size_t>(kSize), kUntouched},
      target_shadow{static_cast<std::size_t>(kTarget), kUntouched};
};

/// Some longer than a piece, one short, one that begins within a pack, one to the end; two gaps.
std::vector<kernels::UpdateRange> ranges() {
  return {{16, 16387, true, 0.5, true},
          {16387, 16390, false, 0.5, true},
          {16400, kTarget, true, 0.5, true},
          {kTarget + 8, kSize, false, 0.25, false, 0.25}};
}

kernels::AdamWStep step() {
  kernels::AdamWStep step;
  step.lr = 1e-2;
  step.weight_decay = 0.1;
  step.count = 3;
  step.ema_momentum = 0.99;
  return step;
}

kernels::UpdateScalars scalars(double alive) {
  const kernels::AdamWStep of = step();
  return {.lr = of.lr,
          .weight_decay = of.weight_decay,
          .ema_momentum = of.ema_momentum,
          .correction1 = 1 - std::pow(of.beta1, 3),
          .correction2 = 1 - std::pow(of.beta2, 3),
          .clip_factor = kClip,
          .alive = alive};
}

template <class T>
Buffers<T> on_device(const Buffers<T>& before, bool shadows, double alive = 1) {
  const DeviceArray<T> parameters(before.parameters), gradients(before.gradients), exp_avg(before.exp_avg),
      exp_avg_sq(before.exp_avg_sq), target(before.target);
  const DeviceArray<Bf16> shadow(before.shadow), target_shadow(before.target_shadow);
  const std::vector<kernels::UpdateRange> pieces = kernels::device::update_pieces(ranges());
  const DeviceArray<kernels::UpdateRange> table(pieces);
  const DeviceArray<kernels::UpdateScalars> now(std::vector{scalars(alive)});
  const kernels::AdamWStep of = step();
  kernels::device::adamw_ema<T>(
      nullptr,
      {parameters.data(), gradients.data(), exp_avg.data(), exp_avg_sq.data(), target.data(),
       shadows ? shadow.data() : nullptr, shadows ? target_shadow.data() : nullptr, of.beta1, of.beta2, of.eps},
      table.data(), static_cast<std::int64_t>(pieces.size()), now.data());
  return {parameters.host(), gradients.host(), exp_avg.host(),      exp_avg_sq.host(),
          target.host(),     shadow.host(),    target_shadow.host()};
}

template <class T>
Buffers<T> on_host(Buffers<T> buffers, bool shadows) {
  std::vector<kernels::UpdateRange> all = ranges();
  for (kernels::UpdateRange& range : all) {
    if (range.averaged) range.gradient_scale *= kClip;
  }
  kernels::Bf16Shadows rounded;
  if (shadows) rounded = {buffers.shadow, buffers.target_shadow};
  kernels::adamw_ema<T>(buffers.parameters, buffers.gradients, buffers.exp_avg, buffers.exp_avg_sq, buffers.target, all,
                        step(), rounded);
  return buffers;
}

template <class T>
void check(bool shadows, double relative, double absolute) {
  const Buffers<T> before, got = on_device(before, shadows), host = on_host(before, shadows);
  test::expect_near(got.parameters, test::numbers(host.parameters), relative, absolute, "parameter");
  test::expect_near(got.exp_avg, test::numbers(host.exp_avg), relative, absolute, "exp_avg");
  test::expect_near(got.exp_avg_sq, test::numbers(host.exp_avg_sq), relative, absolute, "exp_avg_sq");
  test::expect_near(got.target, test::numbers(host.target), relative, absolute, "target");
  test::expect_near(got.shadow, test::numbers(host.shadow), 1.0 / 128, 0, "shadow");
  test::expect_near(got.target_shadow, test::numbers(host.target_shadow), 1.0 / 128, 0, "target shadow");

  // The formula, in double; what lies in no range stays as it is.
  std::vector<bool> in_range(static_cast<std::size_t>(kSize));
  const kernels::AdamWStep of = step();
  for (const kernels::UpdateRange& range : ranges()) {
    for (auto i = static_cast<std::size_t>(range.begin); i < static_cast<std::size_t>(range.end); ++i) {
      in_range[i] = true;
      const double gradient = before.gradients[i] * range.gradient_scale * (range.averaged ? kClip : 1);
      const double first = 0.9 * before.exp_avg[i] + 0.1 * gradient;
      const double second = 0.999 * before.exp_avg_sq[i] + 0.001 * gradient * gradient;
      const double root = std::sqrt(second / (1 - std::pow(0.999, 3))) + of.eps * range.epsilon_scale;
      const double parameter = before.parameters[i] * (range.decays ? 1 - of.lr * of.weight_decay : 1) -
                               of.lr * first / (1 - std::pow(0.9, 3)) / root;
      ASSERT_NEAR(got.exp_avg[i], first, absolute) << i;
      ASSERT_NEAR(got.exp_avg_sq[i], second, absolute) << i;
      ASSERT_NEAR(got.parameters[i], parameter, 10 * absolute) << i;
      if (range.averaged) {
        ASSERT_NEAR(got.target[i], 0.99 * before.target[i] + 0.01 * parameter, absolute) << i;
        if (shadows) {
          ASSERT_EQ(test::value(got.target_shadow[i]), test::nearest_bf16(static_cast<float>(got.target[i]))) << i;
        }
      }
      if (shadows) {
        ASSERT_EQ(test::value(got.shadow[i]), test::nearest_bf16(static_cast<float>(got.parameters[i]))) << i;
      }
    }
  }
  for (std::size_t i = 0; i < in_range.size(); ++i) {
    if (in_range[i]) continue;
    ASSERT_EQ(got.parameters[i], before.parameters[i]) << i;
    ASSERT_EQ(got.exp_avg[i], before.exp_avg[i]) << i;
    ASSERT_EQ(got.exp_avg_sq[i], before.exp_avg_sq[i]) << i;
    ASSERT_EQ(got.shadow[i].bits, kUntouched.bits) << i;
  }
}

TEST(DeviceAdamW, GivesTheFormulaAndWhatTheHostDoesAndLeavesTheRest) {
  check<float>(false, 1e-6, 1e-6);
  check<float>(true, 1e-6, 1e-6);
  check<double>(false, 1e-12, 1e-12);
}

template <class T>
void expect_same(const Buffers<T>& a, const Buffers<T>& b) {
  EXPECT_TRUE(test::same_bits(a.parameters, b.parameters));
  EXPECT_TRUE(test::same_bits(a.exp_avg, b.exp_avg));
  EXPECT_TRUE(test::same_bits(a.exp_avg_sq, b.exp_avg_sq));
  EXPECT_TRUE(test::same_bits(a.target, b.target));
  EXPECT_TRUE(test::same_bits(a.shadow, b.shadow));
  EXPECT_TRUE(test::same_bits(a.target_shadow, b.target_shadow));
}

TEST(DeviceAdamW, WritesNothingWhenTheStepIsNotAliveWhateverTheGradientsAre) {
  Buffers<float> before;
  for (std::size_t i = 0; i < before.gradients.size(); i += 3)
    before.gradients[i] = NAN;
  expect_same(on_device(before, true, 0), before);
}

TEST(DeviceAdamW, HasTheSameBitsInEveryRunAndKeepsANanVisible) {
  Buffers<float> before;
  before.gradients[16401] = NAN;
  const Buffers<float> one = on_device(before, true);
  expect_same(one, on_device(before, true));
  EXPECT_TRUE(std::isnan(one.parameters[16401]));
  EXPECT_TRUE(std::isnan(test::value(one.shadow[16401])));
  EXPECT_TRUE(std::isnan(one.target[16401]));
  EXPECT_FALSE(std::isnan(one.parameters[16402]));
}

TEST(DeviceAdamW, CutsRangesIntoPiecesThatCoverThem) {
  std::vector<int> covered(static_cast<std::size_t>(kSize));
  for (const kernels::UpdateRange& piece : kernels::device::update_pieces(ranges())) {
    EXPECT_LT(piece.begin, piece.end);
    EXPECT_LE(piece.end - piece.begin, 4096);
    for (auto i = static_cast<std::size_t>(piece.begin); i < static_cast<std::size_t>(piece.end); ++i)
      ++covered[i];
  }
  for (const kernels::UpdateRange& range : ranges()) {
    for (auto i = static_cast<std::size_t>(range.begin); i < static_cast<std::size_t>(range.end); ++i)
      EXPECT_EQ(covered[i]--, 1) << i;
  }
  EXPECT_EQ(covered, std::vector<int>(static_cast<std::size_t>(kSize)));
}

}  // namespace
}  // namespace msn
