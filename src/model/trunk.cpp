// SPDX-License-Identifier: Apache-2.0
#include "model/trunk.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "kernels/work_times.hpp"
#include "model/gemm.hpp"
#include "model/position_embedding.hpp"

namespace msn {
namespace {

std::int64_t rows_of(const ViewGroup& group) {
  return group.images() * group.tokens();
}

/// The class-token rows of every group of a packed row matrix [rows, d], copied together: [images, d].
at::Tensor class_rows(const at::Tensor& x, const ViewGroups& groups) {
  const kernels::TimedWork work(kernels::Work::copy);
  std::vector<at::Tensor> parts;
  std::int64_t row = 0;
  for (const ViewGroup& group : groups) {
    parts.push_back(x.narrow(0, row, rows_of(group)).unflatten(0, {group.images(), group.tokens()}).select(1, 0));
    row += rows_of(group);
  }
  return at::cat(parts);
}

/// x's class-token rows += dcls.
void add_to_class_rows(const at::Tensor& x, const at::Tensor& dcls, const ViewGroups& groups) {
  std::int64_t row = 0;
  std::int64_t image = 0;
  for (const ViewGroup& group : groups) {
    x.narrow(0, row, rows_of(group))
        .unflatten(0, {group.images(), group.tokens()})
        .select(1, 0)
        .add_(dcls.narrow(0, image, group.images()));
    row += rows_of(group);
    image += group.images();
  }
}

/// For every row of the packed matrix: which image's class token it is, or -1.
at::Tensor image_of_class_row(const ViewGroups& groups) {
  std::vector<at::Tensor> parts;
  std::int64_t image = 0;
  for (const ViewGroup& group : groups) {
    const at::Tensor part = at::full({group.images(), group.tokens()}, -1, at::kLong);
    for (std::int64_t i = 0; i < group.images(); ++i)
      part.mutable_data_ptr<std::int64_t>()[i * group.tokens()] = image++;
    parts.push_back(part.flatten());
  }
  return at::cat(parts);
}

}  // namespace

Trunk::Trunk(const Parameters& parameters, const VitShape& shape, const at::Tensor& weights, Recompute recompute)
    : shape_(shape),
      recompute_(recompute),
      cls_token_(parameters.value("cls_token").flatten()),
      positions_(parameters.value("pos_embed").squeeze(0)),
      patch_embed_(parameters, "patch_embed.proj", weights),
      norm_(parameters, "norm"),
      norm_offset_(parameters.segment("norm.weight").offset) {
  if (parameters.gradients().defined()) {
    cls_token_gradient_ = parameters.gradient("cls_token").flatten();
    positions_gradient_ = parameters.gradient("pos_embed").squeeze(0);
  }
  for (std::int64_t i = 0; i < shape.depth; ++i) {
    const std::string name = "blocks." + std::to_string(i) + ".";
    blocks_.push_back({parameters.segment(name + "norm1.weight").offset, Affine(parameters, name + "norm1"),
                       Linear(parameters, name + "attn.qkv", weights), Linear(parameters, name + "attn.proj", weights),
                       Affine(parameters, name + "norm2"), Linear(parameters, name + "mlp.fc1", weights),
                       Linear(parameters, name + "mlp.fc2", weights)});
  }
}

const at::Tensor& Trunk::resampling(std::int64_t grid) const {
  at::Tensor& matrix = resamplings_[grid];
  if (!matrix.defined()) matrix = position_resampling(shape_.grid, grid).to(positions_.scalar_type());
  return matrix;
}

/// What embed() adds to the patches' products: [tokens, width], or [images, tokens, width] with a mask for each image.
at::Tensor Trunk::table(const ViewGroup& group) const {
  const kernels::TimedWork work(kernels::Work::embedding);
  at::Tensor positions = positions_.narrow(0, 1, shape_.grid * shape_.grid);
  if (group.grid != shape_.grid) positions = at::mm(resampling(group.grid), positions);
  if (group.keep.defined()) positions = positions.index_select(0, group.keep.flatten());
  const std::int64_t tables = group.keep.defined() && group.keep.dim() == 2 ? group.images() : 1;
  const at::Tensor result = at::empty({tables, group.tokens(), shape_.width}, positions_.options());
  result.select(1, 0).copy_(cls_token_ + positions_.select(0, 0));
  result.narrow(1, 1, group.tokens() - 1).copy_((positions + patch_embed_.bias).unflatten(0, {tables, -1}));
  return tables == 1 ? result.squeeze(0) : result;
}

at::Tensor Trunk::embed_all(const ViewGroups& groups) const {
  std::int64_t rows = 0;
  for (const ViewGroup& group : groups)
    rows += rows_of(group);
  at::Tensor x = at::empty({rows, shape_.width}, patch_embed_.weight.options());
  std::int64_t row = 0;
  for (const ViewGroup& group : groups) {
    MSN_CHECK(group.patches.dim() == 3 && group.patches.size(2) == shape_.patch_values());
    embed(product(group.patches.flatten(0, 1), patch_embed_.weight.t()), table(group),
          x.narrow(0, row, rows_of(group)).unflatten(0, {group.images(), group.tokens()}));
    row += rows_of(group);
  }
  return x;
}

void Trunk::embed_all_backward(const at::Tensor& dx, const ViewGroups& groups) const {
  const kernels::TimedWork work(kernels::Work::embedding);
  std::int64_t row = 0;
  for (const ViewGroup& group : groups) {
    const EmbedGradients gradients =
        embed_backward(dx.narrow(0, row, rows_of(group)).unflatten(0, {group.images(), group.tokens()}));
    row += rows_of(group);
    const at::Tensor dcls = gradients.dtable.select(0, 0);
    at::Tensor dpositions = gradients.dtable.narrow(0, 1, group.tokens() - 1);
    cls_token_gradient_.add_(dcls);
    positions_gradient_.select(0, 0).add_(dcls);
    patch_embed_.bias_gradient.add_(dpositions.sum(0));
    const at::Tensor dpatches = gradients.dpatches.flatten(0, 1);
    add_product(patch_embed_.weight_gradient, dpatches.t(), group.patches.flatten(0, 1));
    if (group.keep.defined()) {
      if (group.keep.dim() == 2) dpositions = dpatches.to(dpositions.scalar_type());
      dpositions = at::zeros({group.grid * group.grid, shape_.width}, dpositions.options())
                       .index_add_(0, group.keep.flatten(), dpositions);
    }
    if (group.grid != shape_.grid) dpositions = at::mm(resampling(group.grid).t(), dpositions);
    positions_gradient_.narrow(0, 1, shape_.grid * shape_.grid).add_(dpositions);
  }
}

/// What the rows of a branch of a block are multiplied by; undefined: 1.
at::Tensor Trunk::row_scale(const ViewGroups& groups, std::size_t block, Branch branch) const {
  if (std::none_of(groups.begin(), groups.end(), [](const ViewGroup& g) { return g.branch_scale.defined(); }))
    return {};
  const bool one_token = block + 1 == blocks_.size();
  std::vector<at::Tensor> parts;
  for (const ViewGroup& group : groups) {
    const at::Tensor factors =
        group.branch_scale.defined()
            ? group.branch_scale[static_cast<std::int64_t>(block)][static_cast<std::int64_t>(branch)]
            : at::ones({group.images()}, positions_.options());
    parts.push_back(one_token ? factors : factors.repeat_interleave(group.tokens()));
  }
  return at::cat(parts);
}

at::Tensor Trunk::forward(const ViewGroups& groups, Tape* tape, ClassToken where) const {
  MSN_CHECK(tape == nullptr || where == ClassToken::after_norm);
  if (tape != nullptr) {
    tape->groups = groups;
    tape->blocks.assign(blocks_.size(), {});
  }
  Stream stream{embed_all(groups), {}, {}, {}};
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    stream = block_forward(i, stream, groups, tape == nullptr ? nullptr : &tape->blocks[i]);
  // One row an image is left: head and loss take it in the parameters' type.
  stream.x = stream.x.to(positions_.scalar_type());
  stream.branch = stream.branch.to(positions_.scalar_type());
  const LayerNormed last = add_layer_norm(stream, norm_);
  if (tape != nullptr) tape->norm = {last.sum, last.mean, last.rstd, {}};
  return where == ClassToken::before_norm ? last.sum : last.normed;
}

/// [rows, width] -> [rows, width], or [images, width] for the last block.
Stream Trunk::block_forward(std::size_t index, const Stream& stream, const ViewGroups& groups,
                            Tape::Block* tape) const {
  const Block& block = blocks_[index];
  const bool last = index + 1 == blocks_.size();
  const std::int64_t d = shape_.width;
  LayerNormed norm1 = add_layer_norm(stream, block.norm1);
  at::Tensor projected, q, k, v;
  if (last) {
    q = product(class_rows(norm1.normed, groups), block.qkv.rows(0, d).weight.t());
    projected = product(norm1.normed, block.qkv.rows(d, 3 * d).weight.t());
    k = projected.narrow(1, 0, d);
    v = projected.narrow(1, d, d);
  } else {
    projected = product(norm1.normed, block.qkv.weight.t());
    q = projected.narrow(1, 0, d);
    k = projected.narrow(1, d, d);
    v = projected.narrow(1, 2 * d, d);
  }
  if (tape == nullptr || recompute_ == Recompute::norms_and_activations) norm1.normed.reset();
  const at::Tensor mixed = at::empty({q.size(0), d}, q.options());
  std::int64_t row = 0;
  std::int64_t query = 0;
  for (const ViewGroup& group : groups) {
    const std::int64_t rows = rows_of(group);
    const std::int64_t queries = last ? group.images() : rows;
    const at::Tensor log_sums = attention(
        {q.narrow(0, query, queries), k.narrow(0, row, rows), v.narrow(0, row, rows), block.qkv.bias.narrow(0, 0, d),
         block.qkv.bias.narrow(0, d, d), block.qkv.bias.narrow(0, 2 * d, d), group.images(), shape_.heads},
        mixed.narrow(0, query, queries), tape != nullptr);
    if (tape != nullptr) tape->log_sums.push_back(log_sums);
    row += rows;
    query += queries;
  }
  LayerNormed norm2 =
      add_layer_norm({last ? class_rows(norm1.sum, groups) : norm1.sum, product(mixed, block.proj.weight.t()),
                      block.proj.bias, row_scale(groups, index, Branch::attention)},
                     block.norm2);
  const at::Tensor hidden = product(norm2.normed, block.fc1.weight.t());
  const at::Tensor activated = bias_gelu(hidden, block.fc1.bias, tape == nullptr);
  const at::Tensor x = norm2.sum;
  if (tape != nullptr) {
    if (recompute_ == Recompute::norms_and_activations) norm2.normed.reset();
    tape->norm1 = std::move(norm1);
    tape->qkv = projected;
    tape->q = q;
    tape->k = k;
    tape->v = v;
    tape->mixed = mixed;
    tape->norm2 = std::move(norm2);
    tape->hidden = hidden;
    if (recompute_ == Recompute::nothing) tape->activated = activated;
  }
  return {x, product(activated, block.fc2.weight.t()), block.fc2.bias, row_scale(groups, index, Branch::mlp)};
}

void Trunk::backward(const at::Tensor& dcls, Tape& tape, const OnReady& on_ready) const {
  const auto ready = [&](std::int64_t offset) {
    if (on_ready) on_ready(offset);
  };
  StreamGradient gradient =
      layer_norm_backward(dcls.clone(), tape.norm, norm_, {}, {},
                          row_scale(tape.groups, blocks_.size() - 1, Branch::mlp), blocks_.back().fc2.bias_gradient);
  const at::ScalarType type = patch_embed_.weight.scalar_type();
  gradient = {gradient.dx.to(type), gradient.dbranch.to(type)};
  ready(norm_offset_);
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    gradient = block_backward(i, gradient, tape.groups, tape.blocks[i]);
    tape.blocks[i] = {};
    ready(blocks_[i].offset);
  }
  embed_all_backward(gradient.dx, tape.groups);
  ready(0);
}

/// From the gradient of what the block leaves to that of what it takes; adds the block's gradients, but for the last
/// bias, which came with `gradient`, and beside them the last bias of the block before.
StreamGradient Trunk::block_backward(std::size_t index, const StreamGradient& gradient, const ViewGroups& groups,
                                     Tape::Block& tape) const {
  const Block& block = blocks_[index];
  const bool last = index + 1 == blocks_.size();
  const std::int64_t d = shape_.width;

  const at::Tensor dhidden = product(gradient.dbranch, block.fc2.weight);
  const bool activate = !tape.activated.defined();
  bias_gelu_backward(dhidden, tape.hidden, block.fc1.bias, block.fc1.bias_gradient, activate);
  add_product(block.fc2.weight_gradient, gradient.dbranch.t(), activate ? tape.hidden : tape.activated);
  tape.hidden.reset();
  tape.activated.reset();
  if (!tape.norm2.normed.defined()) tape.norm2.normed = layer_norm_again(tape.norm2, block.norm2);
  add_product(block.fc1.weight_gradient, dhidden.t(), tape.norm2.normed);
  tape.norm2.normed.reset();
  const StreamGradient middle =
      layer_norm_backward(product(dhidden, block.fc1.weight), tape.norm2, block.norm2, gradient.dx, {},
                          row_scale(groups, index, Branch::attention), block.proj.bias_gradient);
  tape.norm2 = {};
  add_product(block.proj.weight_gradient, middle.dbranch.t(), tape.mixed);
  tape.mixed.reset();
  const at::Tensor dmixed = product(middle.dbranch, block.proj.weight);

  // The gradients take the place of queries, keys and values.
  std::int64_t row = 0;
  std::int64_t query = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::int64_t rows = rows_of(groups[g]);
    const std::int64_t queries = last ? groups[g].images() : rows;
    attention_backward({tape.q.narrow(0, query, queries), tape.k.narrow(0, row, rows), tape.v.narrow(0, row, rows),
                        block.qkv.bias.narrow(0, 0, d), block.qkv.bias.narrow(0, d, d),
                        block.qkv.bias.narrow(0, 2 * d, d), groups[g].images(), shape_.heads},
                       dmixed.narrow(0, query, queries), tape.log_sums[g],
                       {tape.q.narrow(0, query, queries), tape.k.narrow(0, row, rows), tape.v.narrow(0, row, rows),
                        block.qkv.bias_gradient.narrow(0, 0, d), block.qkv.bias_gradient.narrow(0, d, d),
                        block.qkv.bias_gradient.narrow(0, 2 * d, d), groups[g].images(), shape_.heads});
    row += rows;
    query += queries;
  }
  if (!tape.norm1.normed.defined()) tape.norm1.normed = layer_norm_again(tape.norm1, block.norm1);
  const Linear into_rows = last ? block.qkv.rows(d, 3 * d) : block.qkv;
  add_product(into_rows.weight_gradient, tape.qkv.t(), tape.norm1.normed);
  const at::Tensor dnormed1 = product(tape.qkv, into_rows.weight);
  if (last) {
    const Linear queries = block.qkv.rows(0, d);
    add_product(queries.weight_gradient, tape.q.t(), class_rows(tape.norm1.normed, groups));
    add_to_class_rows(dnormed1, product(tape.q, queries.weight), groups);
  }
  return layer_norm_backward(dnormed1, tape.norm1, block.norm1, middle.dx,
                             last ? image_of_class_row(groups) : at::Tensor(),
                             index == 0 ? at::Tensor() : row_scale(groups, index - 1, Branch::mlp),
                             index == 0 ? at::Tensor() : blocks_[index - 1].fc2.bias_gradient);
}

}  // namespace msn
