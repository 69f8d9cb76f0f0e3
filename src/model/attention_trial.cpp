// SPDX-License-Identifier: Apache-2.0
#include "model/attention_trial.hpp"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/error.hpp"

namespace msn {
namespace {

constexpr std::int64_t kImages = 2;

/// Numbers in [-2, 2] without a pattern that heads or images share, made on the device.
at::Tensor made_up(at::IntArrayRef sizes, double step, at::TensorOptions options) {
  const std::int64_t count = c10::multiply_integers(sizes);
  return at::arange(count, options.dtype(at::kDouble)).mul_(step).sin_().mul_(2).view(sizes).to(options);
}

/// Queries, keys and values side by side, as the products leave them.
struct Problem {
  Problem(const AttentionShape& shape, std::int64_t heads, at::Device device)
      : width(heads * shape.head_width),
        options(at::TensorOptions(shape.type).device(device)),
        qkv(made_up({kImages * shape.tokens, 3 * width}, 0.7391, options)),
        dout(made_up({kImages * shape.tokens, width}, 1.2347, options)),
        heads(heads) {}

  AttentionInput input(const at::Tensor& matrix) const {
    return {matrix.narrow(1, 0, width),
            matrix.narrow(1, width, width),
            matrix.narrow(1, 2 * width, width),
            {},
            {},
            {},
            kImages,
            heads};
  }

  std::int64_t width;
  at::TensorOptions options;
  at::Tensor qkv, dout;
  std::int64_t heads;
};

struct Solution {
  at::Tensor out, gradients;  ///< The latter side by side.
};

Solution solve(const Problem& problem, AttentionBackend backend, const AttentionFunctions& functions) {
  // As in training: the gradients take the place of queries, keys and values.
  const at::Tensor qkv = problem.qkv.clone(), out = at::empty({qkv.size(0), problem.width}, problem.options);
  const AttentionTape tape = functions.forward(problem.input(qkv), out, true, backend);
  const at::Tensor result = out.clone();
  functions.backward(problem.input(qkv), problem.dout, tape, problem.input(qkv));
  return {result, qkv};
}

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor reference = want.to(at::kDouble);
  return ((got.to(at::kDouble) - reference).abs().max() / reference.abs().max()).item<double>();
}

/// Not-a-number counts as the worst.
double worse(double a, double b) {
  return std::isnan(a) || a > b ? a : b;
}

std::string wrong(const AttentionTrial& trial, double limit) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(),
                "wrong by %.2g in its output and %.2g in its gradients, relative to the largest value; %.2g is allowed",
                trial.output_error, trial.gradient_error, limit);
  return text.data();
}

}  // namespace

double attention_tolerance(at::ScalarType type) {
  if (type == at::kDouble) return 1e-10;
  if (type == at::kBFloat16) return 3e-2;
  return at::globalContext().allowTF32CuBLAS() ? 1e-2 : 1e-3;
}

AttentionTrial try_attention(const AttentionShape& shape, std::int64_t heads, AttentionBackend backend,
                             at::Device device, const AttentionFunctions& functions) {
  AttentionTrial trial{shape, backend, backend, 0, 0, {}};
  if (backend == AttentionBackend::plain) return trial;
  const Problem problem(shape, heads, device);
  const Solution want = solve(problem, AttentionBackend::plain, functions);
  try {
    const Solution got = solve(problem, backend, functions);
    trial.output_error = relative_error(got.out, want.out);
    for (int part = 0; part < 3; ++part) {
      const std::int64_t first = part * problem.width;
      trial.gradient_error = worse(
          relative_error(got.gradients.narrow(1, first, problem.width), want.gradients.narrow(1, first, problem.width)),
          trial.gradient_error);
    }
    const double limit = attention_tolerance(shape.type);
    if (!(trial.output_error <= limit && trial.gradient_error <= limit)) trial.problem = wrong(trial, limit);
  } catch (const c10::Error& error) {
    trial.problem = one_line(error.what_without_backtrace());
  } catch (const std::exception& error) {
    trial.problem = one_line(error.what());
  }
  if (!trial.problem.empty()) trial.taken = AttentionBackend::plain;
  return trial;
}

}  // namespace msn
