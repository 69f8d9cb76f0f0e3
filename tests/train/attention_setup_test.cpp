// SPDX-License-Identifier: Apache-2.0
// Which back ends of attention a job takes, by made-up ones that compute on the CPU.
#include "train/attention_setup.hpp"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "support/support.hpp"
#include "train/tiny_run.hpp"
#include "train/tiny_step_config.hpp"

namespace msn {
namespace {

using test::world;

class AttentionSetup : public testing::Test {
 protected:
  ~AttentionSetup() override {
    log::leave_files();
    set_attention({});
  }

  /// What is logged on rank 0, on every rank, when the back ends of `functions` are set up.
  std::string log_of(const Config& config, int compute_capability, const AttentionFunctions& functions) const {
    const test::TempDir dir;
    if (world().rank() == 0) log::add_file(dir / "log.txt");
    set_up_attention(world(), config, at::kCPU, compute_capability, functions);
    return world().on_root([&] {
      log::leave_files();
      return read_text(dir / "log.txt");
    });
  }
};

Config tiny(Precision precision) {
  Config config = test::tiny_step_config(4);
  config.train.precision = precision;
  config.runtime.allow_slow_bf16 = true;
  return config;
}

/// Plain under every name; `wrong` for a number of tokens on the last rank alone.
AttentionFunctions ours(std::int64_t wrong_tokens = 0) {
  AttentionFunctions functions;
  functions.forward = [=](const AttentionInput& in, const at::Tensor& out, bool keep, AttentionBackend backend) {
    const AttentionTape tape = torch_form::attention(in, out, keep, AttentionBackend::plain);
    const bool wrong = in.k.size(0) / in.images == wrong_tokens && world().rank() == world().size() - 1;
    if (wrong && backend != AttentionBackend::plain) out.mul_(2);
    return tape;
  };
  return functions;
}

TEST_F(AttentionSetup, TakesTheTableOfTheTypeAndShapes) {
  for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::fp64}) {
    const Config config = tiny(precision);
    const std::string log = log_of(config, 8, ours());
    const auto shapes = attention_shapes(config, world().size());
    ASSERT_EQ(shapes.size(), 3u);
    for (const AttentionShape& shape : shapes)
      EXPECT_EQ(attention_in_force().of(shape), default_attention(shape, 8)) << to_text(shape);
    EXPECT_NE(log.find("attention by " + to_text(attention_in_force())), std::string::npos) << log;
    EXPECT_EQ(log.find("not to be used"), std::string::npos) << log;
  }
}

TEST_F(AttentionSetup, TakesWhatIsAskedForInstead) {
  Config config = tiny(Precision::fp32);
  config.runtime.attention = AttentionChoice::cudnn;
  log_of(config, 8, ours());
  for (const AttentionShape& shape : attention_shapes(config, world().size()))
    EXPECT_EQ(attention_in_force().of(shape), AttentionBackend::cudnn);
}

TEST_F(AttentionSetup, IsPlainOnAllRanksForAShapeThatIsWrongOnOne) {
  Config config = tiny(Precision::fp32);
  config.runtime.attention = AttentionChoice::efficient;
  const auto shapes = attention_shapes(config, world().size());
  const std::string log = log_of(config, 8, ours(shapes[1].tokens));
  EXPECT_EQ(attention_in_force().of(shapes[0]), AttentionBackend::efficient);
  EXPECT_EQ(attention_in_force().of(shapes[1]), AttentionBackend::plain);
  EXPECT_EQ(attention_in_force().of(shapes[2]), AttentionBackend::efficient);
  EXPECT_NE(log.find("attention of " + to_text(shapes[1]) + " is plain, not efficient, which on rank " +
                     std::to_string(world().size() - 1) + " is not to be used: wrong by"),
            std::string::npos)
      << log;
}

TEST_F(AttentionSetup, IsPlainWhereLibTorchsOwnRefuse) {
  Config config = tiny(Precision::fp32);
  config.runtime.attention = AttentionChoice::efficient;
  const std::string log = log_of(config, 8, {});
  for (const AttentionShape& shape : attention_shapes(config, world().size()))
    EXPECT_EQ(attention_in_force().of(shape), AttentionBackend::plain);
  EXPECT_NE(log.find("not to be used"), std::string::npos) << log;
}

}  // namespace
}  // namespace msn
