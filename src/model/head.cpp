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
#include "model/kernel_types.hpp"

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

/// Moments of every group's columns over all ranks, float64 [1 + 2 hidden]. `xs` are the linear layer's products, to
/// which its bias is still to be added. One message.
std::vector<at::Tensor> global_moments(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& xs,
                                       const LayerOf& layer, const Communicator& communicator) {
  const std::int64_t hidden = xs.front().size(1), length = kernels::moments_length(hidden);
  const at::Tensor local = at::empty({static_cast<std::int64_t>(xs.size()), length}, at::kDouble);
  for (std::size_t g = 0; g < xs.size(); ++g) {
    const at::Tensor moments = local.select(0, static_cast<std::int64_t>(g));
    with_parameter_type(xs[g].scalar_type(), [&]<class T>(T) {
      kernels::column_moments<T>(xs[g].size(0), hidden, xs[g].const_data_ptr<T>(), moments.mutable_data_ptr<double>());
    });
    moments.narrow(0, 1, hidden).add_((groups[g].head->*layer.fc).bias);
  }
  const at::Tensor gathered = communicator.gather(local.flatten(), "batch norm forward");
  std::vector<at::Tensor> out;
  for (std::size_t g = 0; g < xs.size(); ++g) {
    const at::Tensor total = at::zeros({length}, at::kDouble);
    for (std::int64_t rank = 0; rank < communicator.size(); ++rank) {
      const double* part = gathered.const_data_ptr<double>() + rank * local.numel();
      kernels::combine_moments(hidden, part + static_cast<std::int64_t>(g) * length, total.mutable_data_ptr<double>());
    }
    out.push_back(total);
  }
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
    const double count = moments[g].const_data_ptr<double>()[0];
    const at::Tensor mean = moments[g].narrow(0, 1, x.size(1)),
                     squares = moments[g].narrow(0, 1 + x.size(1), x.size(1));
    move_running_statistics(groups[g].buffers->*layer.buffers, mean, squares, count);
    const HeadTape::Layer saved{x, (mean - (groups[g].head->*layer.fc).bias).to(x.scalar_type()),
                                at::rsqrt(squares / count + kBatchNormEps).to(x.scalar_type()), count};
    const bool kept = groups[g].tape != nullptr;
    if (kept) groups[g].tape->*layer.saved = saved;
    const at::Tensor activated = kept ? at::empty_like(x) : x;
    with_parameter_type(x.scalar_type(), [&]<class T>(T) {
      kernels::batch_norm_gelu<T>(x.size(0), x.size(1), x.const_data_ptr<T>(),
                                  norm_of<T>(saved, groups[g].head->*layer.bn), activated.mutable_data_ptr<T>());
    });
    out.push_back(activated);
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
  pass.sums = at::empty({static_cast<std::int64_t>(groups.size()), 2, hidden}, at::kDouble);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const HeadTape::Layer& saved = groups[g].tape->*layer.saved;
    const Affine& affine = groups[g].head->*layer.bn;
    const at::Tensor sums = pass.sums.select(0, static_cast<std::int64_t>(g));
    pass.activated.push_back(at::empty_like(saved.x));
    with_parameter_type(saved.x.scalar_type(), [&]<class T>(T) {
      kernels::batch_norm_gelu_backward<T>(saved.x.size(0), hidden, saved.x.const_data_ptr<T>(),
                                           norm_of<T>(saved, affine), pass.gradients[g].mutable_data_ptr<T>(),
                                           pass.activated[g].mutable_data_ptr<T>(), sums.mutable_data_ptr<double>());
    });
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
    with_parameter_type(saved.x.scalar_type(), [&]<class T>(T) {
      kernels::batch_norm_backward<T>(saved.x.size(0), saved.x.size(1), saved.x.const_data_ptr<T>(),
                                      norm_of<T>(saved, groups[g].head->*layer.bn), means.const_data_ptr<T>(),
                                      pass.gradients[g].mutable_data_ptr<T>());
    });
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
