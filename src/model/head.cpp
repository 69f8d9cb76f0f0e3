// SPDX-License-Identifier: Apache-2.0
#include "model/head.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/zeros.h>

#include <memory>
#include <utility>

#include "base/error.hpp"
#include "kernels/batch_norm.hpp"
#include "kernels/work_times.hpp"
#include "model/gemm.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
#include "model/torch_head.hpp"

namespace msn {

Head::Head(const Parameters& parameters)
    : fc1(parameters, "fc.fc1"),
      fc2(parameters, "fc.fc2"),
      fc3(parameters, "fc.fc3"),
      bn1(parameters, "fc.bn1"),
      bn2(parameters, "fc.bn2") {}

namespace {

/// Where a layer stands in heads, buffers and tapes.
struct LayerOf {
  Linear Head::*fc;
  Affine Head::*bn;
  BatchNormBuffers HeadBuffers::*buffers;
  HeadTape::Layer HeadTape::*saved;
};
constexpr LayerOf kLayer1{&Head::fc1, &Head::bn1, &HeadBuffers::bn1, &HeadTape::layer1};
constexpr LayerOf kLayer2{&Head::fc2, &Head::bn2, &HeadBuffers::bn2, &HeadTape::layer2};

bool in_rows(const at::Tensor& x) {
  return kernel_form(x) == KernelForm::rows;
}

void column_moments(const at::Tensor& x, const at::Tensor& moments) {
  if (!in_rows(x)) return torch_column_moments(x, moments);
  with_parameter_type(x.scalar_type(), [&]<class T>(T) {
    kernels::column_moments<T>(x.size(0), x.size(1), x.const_data_ptr<T>(), moments.mutable_data_ptr<double>());
  });
}

/// Of the moments [1 + 2 hidden] of `rows` rows on every rank, `parts` [ranks, 1 + 2 hidden], those of all rows.
at::Tensor combine_moments(const at::Tensor& parts, std::int64_t rows) {
  if (!in_rows(parts)) return torch_combine_moments(parts, rows);
  const std::int64_t hidden = (parts.size(1) - 1) / 2;
  const at::Tensor total = at::zeros({parts.size(1)}, at::kDouble);
  for (std::int64_t rank = 0; rank < parts.size(0); ++rank)
    kernels::combine_moments(hidden, parts[rank].const_data_ptr<double>(), total.mutable_data_ptr<double>());
  return total;
}

/// Moments of every group's columns over all ranks, float64 [1 + 2 hidden]. `xs` are the linear layer's products, to
/// which its bias is still to be added. One message.
std::vector<at::Tensor> global_moments(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& xs,
                                       const LayerOf& layer, const Communicator& communicator) {
  const std::int64_t hidden = xs.front().size(1), length = kernels::moments_length(hidden);
  const auto count = static_cast<std::int64_t>(xs.size());
  const at::Tensor local = at::empty({count, length}, xs.front().options().dtype(at::kDouble));
  for (std::size_t g = 0; g < xs.size(); ++g) {
    const at::Tensor moments = local.select(0, static_cast<std::int64_t>(g));
    column_moments(xs[g], moments);
    moments.narrow(0, 1, hidden).add_((groups[g].head->*layer.fc).bias);
  }
  const at::Tensor gathered =
      communicator.gather(local.flatten(), "batch norm forward").view({communicator.size(), count, length});
  std::vector<at::Tensor> out;
  for (std::size_t g = 0; g < xs.size(); ++g)
    out.push_back(combine_moments(gathered.select(1, static_cast<std::int64_t>(g)), xs[g].size(0)));
  return out;
}

void move_running_statistics(BatchNormBuffers& buffers, const at::Tensor& mean, const at::Tensor& squares,
                             double count) {
  const auto type = buffers.running_mean.scalar_type();
  buffers.running_mean.mul_(1 - kBatchNormMomentum).add_(mean.to(type), kBatchNormMomentum);
  buffers.running_var.mul_(1 - kBatchNormMomentum).add_((squares / (count - 1)).to(type), kBatchNormMomentum);
  ++buffers.batches;
}

template <class T>
kernels::BatchNorm<T> norm_of(const HeadTape::Layer& saved, const Affine& affine) {
  return {saved.mean.const_data_ptr<T>(), saved.inverse_std.const_data_ptr<T>(), affine.weight.const_data_ptr<T>(),
          affine.bias.const_data_ptr<T>()};
}

/// GELU(norm(x)), in place of x if that is not kept.
at::Tensor norm_and_gelu(const HeadTape::Layer& saved, const Affine& affine, bool kept) {
  if (!in_rows(saved.x)) return torch_batch_norm_gelu(saved, affine);
  at::Tensor activated = kept ? at::empty_like(saved.x) : saved.x;
  with_parameter_type(saved.x.scalar_type(), [&]<class T>(T) {
    kernels::batch_norm_gelu<T>(saved.x.size(0), saved.x.size(1), saved.x.const_data_ptr<T>(),
                                norm_of<T>(saved, affine), activated.mutable_data_ptr<T>());
  });
  return activated;
}

/// First half of its backward pass: `gradient` becomes that of norm(x), `sums` [2, hidden] get those of the norm's bias
/// and weight. Returns the activation again.
at::Tensor norm_and_gelu_backward(const HeadTape::Layer& saved, const Affine& affine, const at::Tensor& gradient,
                                  const at::Tensor& sums) {
  if (!in_rows(saved.x)) return torch_batch_norm_gelu_backward(saved, affine, gradient, sums);
  at::Tensor activated = at::empty_like(saved.x);
  with_parameter_type(saved.x.scalar_type(), [&]<class T>(T) {
    kernels::batch_norm_gelu_backward<T>(saved.x.size(0), saved.x.size(1), saved.x.const_data_ptr<T>(),
                                         norm_of<T>(saved, affine), gradient.mutable_data_ptr<T>(),
                                         activated.mutable_data_ptr<T>(), sums.mutable_data_ptr<double>());
  });
  return activated;
}

/// Second half, with the mean products of all ranks' sums and the norm's weight: `gradient` becomes that of x.
void norm_backward(const HeadTape::Layer& saved, const Affine& affine, const at::Tensor& means,
                   const at::Tensor& gradient) {
  if (!in_rows(saved.x)) return torch_batch_norm_backward(saved, affine, means, gradient);
  with_parameter_type(saved.x.scalar_type(), [&]<class T>(T) {
    kernels::batch_norm_backward<T>(saved.x.size(0), saved.x.size(1), saved.x.const_data_ptr<T>(),
                                    norm_of<T>(saved, affine), means.const_data_ptr<T>(),
                                    gradient.mutable_data_ptr<T>());
  });
}

/// Linear, batch norm, GELU for every group. Batch norm takes the linear layer's bias away again, so that only the
/// statistics know of it.
std::vector<at::Tensor> layer_forward(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& inputs,
                                      const LayerOf& layer, const Communicator& communicator) {
  std::vector<at::Tensor> xs;
  for (std::size_t g = 0; g < groups.size(); ++g)
    xs.push_back(product(inputs[g], (groups[g].head->*layer.fc).weight.t()).contiguous());
  const std::vector<at::Tensor> moments = global_moments(groups, xs, layer, communicator);
  std::vector<at::Tensor> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const at::Tensor& x = xs[g];
    const auto count = static_cast<double>(x.size(0) * communicator.size());
    const at::Tensor mean = moments[g].narrow(0, 1, x.size(1)),
                     squares = moments[g].narrow(0, 1 + x.size(1), x.size(1));
    move_running_statistics(groups[g].buffers->*layer.buffers, mean, squares, count);
    const HeadTape::Layer saved{x, (mean - (groups[g].head->*layer.fc).bias).to(x.scalar_type()),
                                at::rsqrt(squares / count + kBatchNormEps).to(x.scalar_type()), count};
    const bool kept = groups[g].tape != nullptr;
    if (kept) groups[g].tape->*layer.saved = saved;
    out.push_back(norm_and_gelu(saved, groups[g].head->*layer.bn, kept));
  }
  return out;
}

/// What layer_backward() is in the middle of: the ranks' sums are under way.
struct LayerBackward {
  std::vector<at::Tensor> gradients;  ///< Of the norm's output, a group each.
  std::vector<at::Tensor> activated;  ///< The layer's output again.
  at::Tensor sums;                    ///< [groups, 2, hidden] float64
  std::unique_ptr<Work> sum;
};

/// From the gradients of the layer's output, which it overwrites, to one message with every group's two sums.
LayerBackward start_layer_backward(const std::vector<HeadGroup>& groups, std::vector<at::Tensor> gradients,
                                   const LayerOf& layer, const Communicator& communicator) {
  const std::int64_t hidden = gradients.front().size(1);
  LayerBackward pass{std::move(gradients), {}, {}, nullptr};
  pass.sums = at::empty({static_cast<std::int64_t>(groups.size()), 2, hidden},
                        pass.gradients.front().options().dtype(at::kDouble));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const HeadTape::Layer& saved = groups[g].tape->*layer.saved;
    const Affine& affine = groups[g].head->*layer.bn;
    const at::Tensor sums = pass.sums.select(0, static_cast<std::int64_t>(g));
    pass.activated.push_back(norm_and_gelu_backward(saved, affine, pass.gradients[g], sums));
    affine.bias_gradient.add_(sums[0]);
    affine.weight_gradient.add_(sums[1]);
    sums.mul_(affine.weight);
  }
  pass.sum = communicator.start_sum(pass.sums.flatten(), "batch norm backward");
  return pass;
}

/// Waits for the message and returns the gradients of the linear layer's product. The gradient of its bias is zero:
/// batch norm takes every constant away.
std::vector<at::Tensor> finish_layer_backward(const std::vector<HeadGroup>& groups, LayerBackward& pass,
                                              const LayerOf& layer) {
  pass.sum->wait();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const HeadTape::Layer& saved = groups[g].tape->*layer.saved;
    const at::Tensor means =
        (pass.sums.select(0, static_cast<std::int64_t>(g)) / saved.count).to(saved.x.scalar_type());
    norm_backward(saved, groups[g].head->*layer.bn, means, pass.gradients[g]);
  }
  return std::move(pass.gradients);
}

/// Gradients of a linear layer's inputs, from those of its products.
std::vector<at::Tensor> input_gradients(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& dys,
                                        Linear Head::*fc) {
  std::vector<at::Tensor> out;
  for (std::size_t g = 0; g < groups.size(); ++g)
    out.push_back(product(dys[g], (groups[g].head->*fc).weight).contiguous());
  return out;
}

void add_weight_gradients(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& dys,
                          const std::vector<at::Tensor>& inputs, Linear Head::*fc) {
  for (std::size_t g = 0; g < groups.size(); ++g)
    add_product((groups[g].head->*fc).weight_gradient, dys[g].t(), inputs[g]);
}

}  // namespace

std::vector<at::Tensor> heads_forward(const std::vector<HeadGroup>& groups, const Communicator& communicator) {
  const kernels::TimedWork work(kernels::Work::head);
  std::vector<at::Tensor> xs;
  for (const HeadGroup& group : groups) {
    MSN_CHECK(group.x.size(0) * communicator.size() > 1);  // One row has no variance.
    if (group.tape != nullptr) group.tape->input = group.x;
    xs.push_back(group.x);
  }
  xs = layer_forward(groups, xs, kLayer1, communicator);
  xs = layer_forward(groups, xs, kLayer2, communicator);
  std::vector<at::Tensor> out;
  for (std::size_t g = 0; g < groups.size(); ++g)
    out.push_back(product(xs[g], groups[g].head->fc3.weight.t()).add_(groups[g].head->fc3.bias));
  return out;
}

// The weights' gradients are computed while messages are under way.
std::vector<at::Tensor> heads_backward(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& dz,
                                       const Communicator& communicator) {
  const kernels::TimedWork work(kernels::Work::head);
  std::vector<at::Tensor> inputs;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    MSN_CHECK(groups[g].tape != nullptr);
    inputs.push_back(groups[g].tape->input);
  }
  LayerBackward layer2 = start_layer_backward(groups, input_gradients(groups, dz, &Head::fc3), kLayer2, communicator);
  add_weight_gradients(groups, dz, layer2.activated, &Head::fc3);
  for (std::size_t g = 0; g < groups.size(); ++g)
    groups[g].head->fc3.bias_gradient.add_(dz[g].sum(0));
  const std::vector<at::Tensor> d2 = finish_layer_backward(groups, layer2, kLayer2);

  LayerBackward layer1 = start_layer_backward(groups, input_gradients(groups, d2, &Head::fc2), kLayer1, communicator);
  add_weight_gradients(groups, d2, layer1.activated, &Head::fc2);
  const std::vector<at::Tensor> d1 = finish_layer_backward(groups, layer1, kLayer1);
  add_weight_gradients(groups, d1, inputs, &Head::fc1);
  return input_gradients(groups, d1, &Head::fc1);
}

}  // namespace msn
