// SPDX-License-Identifier: Apache-2.0
#include "train/state.hpp"

#include <ATen/ops/zeros_like.h>

#include <string>

#include "base/error.hpp"
#include "model/initialise.hpp"

namespace msn {

VitShape vit_shape(const ModelConfig& model) {
  VitShape shape;
  shape.width = model.width;
  shape.depth = model.depth;
  shape.heads = model.heads;
  shape.patch = model.patch_size;
  shape.grid = model.image_size / model.patch_size;
  shape.head_hidden = model.head_hidden;
  shape.head_out = model.head_out;
  return shape;
}

namespace {

std::vector<NamedShape> online_tensors(const VitShape& shape, std::int64_t prototypes) {
  std::vector<NamedShape> tensors = encoder_tensors(shape);
  tensors.push_back({"prototypes", {prototypes, shape.head_out}});
  return tensors;
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

void add_segments(std::vector<StateTensor>& out, const std::string& prefix, const Parameters& layout,
                  const at::Tensor& flat) {
  const ElementType type = layout.type() == at::kFloat ? ElementType::f32 : ElementType::f64;
  for (const Segment& segment : layout.segments()) {
    out.push_back(
        {prefix + segment.name, type, segment.shape, bytes_of(flat.narrow(0, segment.offset, segment.elements))});
  }
}

void add_buffers(std::vector<StateTensor>& out, const std::string& prefix, HeadBuffers& buffers) {
  const auto add = [&](const std::string& name, BatchNormBuffers& bn) {
    const ElementType type = bn.running_mean.scalar_type() == at::kFloat ? ElementType::f32 : ElementType::f64;
    out.push_back({name + ".running_mean", type, {bn.running_mean.size(0)}, bytes_of(bn.running_mean)});
    out.push_back({name + ".running_var", type, {bn.running_var.size(0)}, bytes_of(bn.running_var)});
    out.push_back(
        {name + ".num_batches_tracked", ElementType::i64, {}, std::as_writable_bytes(std::span(&bn.batches, 1))});
  };
  add(prefix + "fc.bn1", buffers.bn1);
  add(prefix + "fc.bn2", buffers.bn2);
}

}  // namespace

TrainState::TrainState(const VitShape& vit, std::int64_t prototypes, at::ScalarType type, at::Device device,
                       Parameters::Gradients gradients)
    : shape(vit),
      online(online_tensors(vit, prototypes), type, gradients, device),
      target(encoder_tensors(vit), type, Parameters::Gradients::none, device),
      exp_avg(at::zeros_like(online.values())),
      exp_avg_sq(at::zeros_like(online.values())),
      online_buffers(vit, type, device),
      target_buffers(vit, type, device) {
  for (const Segment& segment : target.segments())
    MSN_CHECK(segment.offset == online.segment(segment.name).offset);
}

void TrainState::initialise(std::uint64_t seed) {
  msn::initialise(online, seed);
  target.values().copy_(online.values().narrow(0, 0, target.values().numel()));
}

std::vector<StateTensor> state_tensors(TrainState& state) {
  std::vector<StateTensor> tensors;
  add_segments(tensors, "online.", state.online, state.online.values());
  add_buffers(tensors, "online.", state.online_buffers);
  add_segments(tensors, "target.", state.target, state.target.values());
  add_buffers(tensors, "target.", state.target_buffers);
  add_segments(tensors, "adam.exp_avg.", state.online, state.exp_avg);
  add_segments(tensors, "adam.exp_avg_sq.", state.online, state.exp_avg_sq);
  return tensors;
}

std::vector<std::uint64_t> state_tensor_sizes(const VitShape& shape, std::int64_t prototypes, at::ScalarType type) {
  std::vector<std::uint64_t> sizes;
  const auto add = [&](const std::vector<NamedShape>& tensors) {
    for (const NamedShape& tensor : tensors) {
      const ElementType element = type == at::kFloat ? ElementType::f32 : ElementType::f64;
      sizes.push_back(tensor_bytes(element, tensor.shape, tensor.name));
    }
  };
  HeadBuffers buffers(shape, type);
  std::vector<StateTensor> buffer_tensors;
  add_buffers(buffer_tensors, "", buffers);
  const auto add_buffer_sizes = [&] {
    for (const StateTensor& tensor : buffer_tensors)
      sizes.push_back(tensor.bytes.size());
  };
  const std::vector<NamedShape> online = online_tensors(shape, prototypes);
  add(online);
  add_buffer_sizes();
  add(encoder_tensors(shape));
  add_buffer_sizes();
  add(online);
  add(online);
  return sizes;
}

std::vector<StateTensor> target_tensors(Parameters& target) {
  std::vector<StateTensor> tensors;
  add_segments(tensors, "target.", target, target.values());
  return tensors;
}

}  // namespace msn
