// SPDX-License-Identifier: Apache-2.0
// Attention's plain back end against the CPU's kernel, and the trial of back ends with made-up wrong ones.
#include "model/torch_attention.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <stdexcept>

#include "base/error.hpp"
#include "model/attention_trial.hpp"
#include "model/kernel_types.hpp"
#include "support/made_up.hpp"

namespace msn {
namespace {

using test::expect_close;
using test::made_up;

struct Sizes {
  std::int64_t images, queries, keys, heads, head_width;
};
// One query beside more keys, one token, and widths that no vector divides.
constexpr std::array kSizes{Sizes{3, 1, 7, 2, 8}, Sizes{1, 1, 1, 1, 4}, Sizes{2, 5, 5, 3, 10}, Sizes{4, 37, 37, 2, 64}};

/// q, k and v side by side in a matrix, or q alone where its rows are not those of k; with or without biases.
struct Attention {
  Attention(const Sizes& sizes, at::ScalarType type, bool biased) {
    const std::int64_t width = sizes.heads * sizes.head_width;
    const at::ScalarType parameters = accumulate_type(type);
    const at::Tensor qkv = made_up({sizes.images * sizes.keys, 3 * width}, type, 1) * 2;
    in.q =
        sizes.queries == sizes.keys ? qkv.narrow(1, 0, width) : made_up({sizes.images * sizes.queries, width}, type, 2);
    in.k = qkv.narrow(1, width, width);
    in.v = qkv.narrow(1, 2 * width, width);
    in.images = sizes.images;
    in.heads = sizes.heads;
    out = at::empty({in.q.size(0), width}, in.q.options());
    dout = made_up({in.q.size(0), width}, type, 3);
    gradients = in;
    if (!biased) return;
    for (at::Tensor* bias : {&in.q_bias, &in.k_bias, &in.v_bias})
      *bias = made_up({width}, parameters, 4);
    gradients.q_bias = made_up({width}, parameters, 5);
    gradients.k_bias = at::zeros({width}, in.q_bias.options());
    gradients.v_bias = made_up({width}, parameters, 6);
  }

  AttentionInput in, gradients;  ///< The latter over queries, keys and values, as in training.
  at::Tensor out, dout;
};

TEST(TorchAttention, PlainIsWhatTheRowKernelComputes) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (const Sizes& sizes : kSizes) {
      SCOPED_TRACE(testing::Message() << c10::toString(type) << " " << sizes.queries << " of " << sizes.keys);
      const Attention want(sizes, type, true), got(sizes, type, true);
      attention_backward(want.in, want.dout, attention(want.in, want.out, true), want.gradients);
      torch_form::attention_backward(
          got.in, got.dout, torch_form::attention(got.in, got.out, true, AttentionBackend::plain), got.gradients);
      expect_close(got.out, want.out, type);
      expect_close(got.gradients.v, want.gradients.v, type);
      expect_close(got.gradients.v_bias, want.gradients.v_bias, type);
      if (sizes.keys == 1) continue;  // The others' are rounding alone.
      expect_close(got.gradients.q, want.gradients.q, type);
      expect_close(got.gradients.k, want.gradients.k, type);
      expect_close(got.gradients.q_bias, want.gradients.q_bias, type);
      // It is zero but for rounding.
      EXPECT_LT(got.gradients.k_bias.abs().max().item<double>(), type == at::kDouble  ? 1e-12
                                                                 : type == at::kFloat ? 1e-4
                                                                                      : 1);
    }
  }
}

TEST(TorchAttention, TakesBiasesThatAreAddedAlready) {
  const Attention with(kSizes[2], at::kDouble, true), without(kSizes[2], at::kDouble, false);
  without.in.q.add_(with.in.q_bias);
  without.in.k.add_(with.in.k_bias);
  without.in.v.add_(with.in.v_bias);
  for (const Attention* each : {&with, &without}) {
    torch_form::attention_backward(each->in, each->dout,
                                   torch_form::attention(each->in, each->out, true, AttentionBackend::plain),
                                   each->gradients);
  }
  EXPECT_TRUE(without.out.equal(with.out));
  EXPECT_TRUE(without.gradients.q.equal(with.gradients.q));
  EXPECT_TRUE(without.gradients.k.equal(with.gradients.k));
  EXPECT_TRUE(without.gradients.v.equal(with.gradients.v));
}

constexpr AttentionShape kShape{at::kFloat, 37, 16};
constexpr std::int64_t kHeads = 3;

/// A back end of ours under the name of flash, plain but for what `spoil` does to its output and gradients.
AttentionFunctions spoilt(const std::function<void(const at::Tensor& out)>& spoil_output,
                          const std::function<void(const AttentionInput& gradients)>& spoil_gradients) {
  AttentionFunctions functions;
  functions.forward = [=](const AttentionInput& in, const at::Tensor& out, bool keep, AttentionBackend backend) {
    const AttentionTape tape = torch_form::attention(in, out, keep, AttentionBackend::plain);
    if (backend == AttentionBackend::plain) return tape;
    spoil_output(out);
    AttentionTape mine = tape;
    mine.seed = out;  // Tells the backward pass whose it is.
    return mine;
  };
  functions.backward = [=](const AttentionInput& in, const at::Tensor& dout, const AttentionTape& tape,
                           const AttentionInput& gradients) {
    torch_form::attention_backward(in, dout, tape, gradients);
    if (tape.seed.defined()) spoil_gradients(gradients);
  };
  return functions;
}

const auto kNothing = [](const auto&) {};

TEST(AttentionTrial, TakesABackEndThatIsRight) {
  const AttentionTrial plain = try_attention(kShape, kHeads, AttentionBackend::plain, at::kCPU);
  EXPECT_EQ(plain.taken, AttentionBackend::plain);
  const auto nearly = [](const at::Tensor& out) { out.mul_(1 + 1e-5); };
  const AttentionTrial trial =
      try_attention(kShape, kHeads, AttentionBackend::flash, at::kCPU, spoilt(nearly, kNothing));
  EXPECT_EQ(trial.taken, AttentionBackend::flash);
  EXPECT_EQ(trial.problem, "");
  EXPECT_GT(trial.output_error, 0);
  EXPECT_LT(trial.output_error, attention_tolerance(at::kFloat));
}

TEST(AttentionTrial, PutsPlainInThePlaceOfOneThatIsWrong) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::array wrong{
      spoilt([](const at::Tensor& out) { out[3].add_(0.1); }, kNothing),
      spoilt([=](const at::Tensor& out) { out[5].fill_(nan); }, kNothing),
      spoilt(kNothing, [](const AttentionInput& gradients) { gradients.q.mul_(1.1); }),
      spoilt(kNothing, [](const AttentionInput& gradients) { gradients.k[-1].zero_(); }),
      spoilt(kNothing, [=](const AttentionInput& gradients) { gradients.v[0].fill_(nan); }),
  };
  for (const AttentionFunctions& functions : wrong) {
    const AttentionTrial trial = try_attention(kShape, kHeads, AttentionBackend::flash, at::kCPU, functions);
    EXPECT_EQ(trial.asked, AttentionBackend::flash);
    EXPECT_EQ(trial.taken, AttentionBackend::plain);
    EXPECT_NE(trial.problem.find("wrong by"), std::string::npos) << trial.problem;
  }
}

TEST(AttentionTrial, PutsPlainInThePlaceOfOneThatRefuses) {
  const AttentionTrial refused =
      try_attention(kShape, kHeads, AttentionBackend::cudnn, at::kCPU,
                    spoilt([](const at::Tensor&) { throw std::runtime_error("no such shape\nhere"); }, kNothing));
  EXPECT_EQ(refused.taken, AttentionBackend::plain);
  EXPECT_EQ(refused.problem, "no such shape\\nhere");
  // LibTorch's own have no kernel for the CPU that the operators of GPUs would take.
  for (const AttentionBackend backend : {AttentionBackend::efficient, AttentionBackend::cudnn}) {
    const AttentionTrial real = try_attention(kShape, kHeads, backend, at::kCPU);
    EXPECT_EQ(real.taken, AttentionBackend::plain) << name_of(backend);
    EXPECT_FALSE(real.problem.empty());
    EXPECT_EQ(real.problem.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace msn
