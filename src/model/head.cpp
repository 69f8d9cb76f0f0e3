// SPDX-License-Identifier: Apache-2.0
#include "model/head.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros_like.h>

#include "base/error.hpp"

namespace msn {

Head::Head(const Parameters& parameters)
    : fc1(parameters, "fc.fc1"),
      fc2(parameters, "fc.fc2"),
      fc3(parameters, "fc.fc3"),
      bn1(parameters, "fc.bn1"),
      bn2(parameters, "fc.bn2") {}

namespace {

/// Mean and biased variance over all ranks, [hidden] in float64, and the number of rows.
struct Moments {
  at::Tensor mean, variance;
  double count = 0;
};

/// One message: every rank's rows, mean and sum of squared deviations of every group.
std::vector<Moments> global_moments(const std::vector<at::Tensor>& xs, const Communicator& communicator) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& x : xs) {
    const at::Tensor mean = x.mean(0);
    const at::Tensor squares = (x - mean).square_().sum(0);
    parts.push_back(at::scalar_tensor(x.size(0), at::kDouble).reshape({1}));
    parts.push_back(mean.to(at::kDouble));
    parts.push_back(squares.to(at::kDouble));
  }
  const at::Tensor gathered = communicator.gather(at::cat(parts), "batch norm forward");  // [ranks, values]
  std::vector<Moments> out;
  std::int64_t column = 0;
  for (const at::Tensor& x : xs) {
    const std::int64_t hidden = x.size(1);
    Moments total{at::zeros_like(parts[1]), at::zeros_like(parts[1]), 0};
    at::Tensor squares = at::zeros_like(parts[1]);
    for (std::int64_t rank = 0; rank < gathered.size(0); ++rank) {
      const at::Tensor row = gathered.select(0, rank);
      const double count = row.select(0, column).item<double>();
      const at::Tensor delta = row.narrow(0, column + 1, hidden) - total.mean;
      const double sum = total.count + count;
      total.mean = total.mean + delta * (count / sum);
      squares = squares + row.narrow(0, column + 1 + hidden, hidden) + delta.square() * (total.count * count / sum);
      total.count = sum;
    }
    total.variance = squares / total.count;
    out.push_back(total);
    column += 1 + 2 * hidden;
  }
  return out;
}

void move_running_statistics(BatchNormBuffers& buffers, const Moments& moments) {
  const double unbias = moments.count / (moments.count - 1);
  const auto type = buffers.running_mean.scalar_type();
  buffers.running_mean.mul_(1 - kBatchNormMomentum).add_(moments.mean.to(type), kBatchNormMomentum);
  buffers.running_var.mul_(1 - kBatchNormMomentum).add_((moments.variance * unbias).to(type), kBatchNormMomentum);
  ++buffers.batches;
}

/// Linear, batch norm, GELU for every group.
std::vector<at::Tensor> layer_forward(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& xs,
                                      Linear Head::*fc, Affine Head::*bn, BatchNormBuffers HeadBuffers::*buffers,
                                      HeadTape::Layer HeadTape::*saved, const Communicator& communicator) {
  std::vector<at::Tensor> hidden;
  for (std::size_t g = 0; g < groups.size(); ++g)
    hidden.push_back(linear(xs[g], groups[g].head->*fc));
  const std::vector<Moments> moments = global_moments(hidden, communicator);
  std::vector<at::Tensor> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto type = hidden[g].scalar_type();
    const Affine& affine = groups[g].head->*bn;
    const at::Tensor inverse_std = at::rsqrt(moments[g].variance + kBatchNormEps).to(type);
    const at::Tensor normed = (hidden[g] - moments[g].mean.to(type)).mul_(inverse_std);
    const at::Tensor before_gelu = normed * affine.weight + affine.bias;
    move_running_statistics(groups[g].buffers->*buffers, moments[g]);
    if (groups[g].tape != nullptr) {
      groups[g].tape->*saved = {xs[g], normed, inverse_std, before_gelu, moments[g].count};
    }
    out.push_back(at::gelu(before_gelu));
  }
  return out;
}

/// The backward pass of layer_forward(): one message with every group's two sums.
std::vector<at::Tensor> layer_backward(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& dys,
                                       Linear Head::*fc, Affine Head::*bn, HeadTape::Layer HeadTape::*saved,
                                       const Communicator& communicator) {
  std::vector<at::Tensor> dnormeds;
  std::vector<at::Tensor> sums;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const HeadTape::Layer& layer = groups[g].tape->*saved;
    const Affine& affine = groups[g].head->*bn;
    const at::Tensor d = at::gelu_backward(dys[g], layer.before_gelu);
    const at::Tensor dbias = d.sum(0);
    const at::Tensor dweight = (d * layer.normed).sum(0);
    affine.bias_gradient.add_(dbias);
    affine.weight_gradient.add_(dweight);
    sums.push_back((dbias * affine.weight).to(at::kDouble));
    sums.push_back((dweight * affine.weight).to(at::kDouble));
    dnormeds.push_back(d * affine.weight);
  }
  const at::Tensor totals = at::cat(sums);
  communicator.sum(totals, "batch norm backward");
  std::vector<at::Tensor> out;
  std::int64_t column = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const HeadTape::Layer& layer = groups[g].tape->*saved;
    const auto type = dnormeds[g].scalar_type();
    const std::int64_t hidden = dnormeds[g].size(1);
    const at::Tensor mean_d = (totals.narrow(0, column, hidden) / layer.count).to(type);
    const at::Tensor mean_dn = (totals.narrow(0, column + hidden, hidden) / layer.count).to(type);
    column += 2 * hidden;
    const at::Tensor dhidden = (dnormeds[g] - mean_d - layer.normed * mean_dn).mul_(layer.inverse_std);
    out.push_back(linear_backward(dhidden, layer.input, groups[g].head->*fc));
  }
  return out;
}

}  // namespace

std::vector<at::Tensor> heads_forward(const std::vector<HeadGroup>& groups, const Communicator& communicator) {
  std::vector<at::Tensor> xs;
  for (const HeadGroup& group : groups) {
    MSN_CHECK(group.x.size(0) * communicator.size() > 1);  // One row has no variance.
    xs.push_back(group.x);
  }
  xs = layer_forward(groups, xs, &Head::fc1, &Head::bn1, &HeadBuffers::bn1, &HeadTape::layer1, communicator);
  xs = layer_forward(groups, xs, &Head::fc2, &Head::bn2, &HeadBuffers::bn2, &HeadTape::layer2, communicator);
  std::vector<at::Tensor> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].tape != nullptr) groups[g].tape->input3 = xs[g];
    out.push_back(linear(xs[g], groups[g].head->fc3));
  }
  return out;
}

std::vector<at::Tensor> heads_backward(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& dz,
                                       const Communicator& communicator) {
  std::vector<at::Tensor> dxs;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    MSN_CHECK(groups[g].tape != nullptr);
    dxs.push_back(linear_backward(dz[g], groups[g].tape->input3, groups[g].head->fc3));
  }
  dxs = layer_backward(groups, dxs, &Head::fc2, &Head::bn2, &HeadTape::layer2, communicator);
  return layer_backward(groups, dxs, &Head::fc1, &Head::bn1, &HeadTape::layer1, communicator);
}

}  // namespace msn
