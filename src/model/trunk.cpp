// SPDX-License-Identifier: Apache-2.0
#include "model/trunk.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "model/position_embedding.hpp"

namespace msn {
namespace {

std::int64_t rows_of(const ViewGroup& group) {
  return group.images() * group.tokens();
}

/// The class-token rows of every group of a packed row matrix [rows, d], copied together: [images, d].
at::Tensor class_rows(const at::Tensor& x, const ViewGroups& groups) {
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

enum Branch : std::int64_t { kAttention = 0, kMlp = 1 };

bool has_branch_scale(const ViewGroups& groups) {
  return std::any_of(groups.begin(), groups.end(), [](const ViewGroup& g) { return g.branch_scale.defined(); });
}

/// Multiplies a branch's rows, `x` [rows, d] with all tokens or [images, d] with one, by every image's factor, in
/// place.
void scale_branch(const at::Tensor& x, const ViewGroups& groups, std::size_t block, Branch branch, bool one_token) {
  std::int64_t row = 0;
  for (const ViewGroup& group : groups) {
    const std::int64_t rows = one_token ? group.images() : rows_of(group);
    if (group.branch_scale.defined()) {
      const at::Tensor factors = group.branch_scale[static_cast<std::int64_t>(block)][branch];
      x.narrow(0, row, rows).unflatten(0, {group.images(), -1}).mul_(factors.reshape({-1, 1, 1}));
    }
    row += rows;
  }
}

}  // namespace

Trunk::Trunk(const Parameters& parameters, const VitShape& shape)
    : shape_(shape),
      cls_token_(parameters.value("cls_token").flatten()),
      positions_(parameters.value("pos_embed").squeeze(0)),
      patch_embed_(parameters, "patch_embed.proj"),
      norm_(parameters, "norm"),
      norm_offset_(parameters.segment("norm.weight").offset) {
  if (parameters.gradients().defined()) {
    cls_token_gradient_ = parameters.gradient("cls_token").flatten();
    positions_gradient_ = parameters.gradient("pos_embed").squeeze(0);
  }
  for (std::int64_t i = 0; i < shape.depth; ++i) {
    const std::string name = "blocks." + std::to_string(i) + ".";
    blocks_.push_back({parameters.segment(name + "norm1.weight").offset, Affine(parameters, name + "norm1"),
                       Linear(parameters, name + "attn.qkv"), Linear(parameters, name + "attn.proj"),
                       Affine(parameters, name + "norm2"), Linear(parameters, name + "mlp.fc1"),
                       Linear(parameters, name + "mlp.fc2")});
  }
}

const at::Tensor& Trunk::resampling(std::int64_t grid) const {
  at::Tensor& matrix = resamplings_[grid];
  if (!matrix.defined()) matrix = position_resampling(shape_.grid, grid).to(positions_.scalar_type());
  return matrix;
}

/// [images, 1 + visible, width]
at::Tensor Trunk::embed(const ViewGroup& group) const {
  const std::int64_t width = shape_.width;
  at::Tensor positions = positions_.narrow(0, 1, shape_.grid * shape_.grid);
  if (group.grid != shape_.grid) positions = at::mm(resampling(group.grid), positions);
  if (group.keep.defined()) {
    positions = positions.index_select(0, group.keep.flatten());
    if (group.keep.dim() == 2) positions = positions.unflatten(0, {group.images(), -1});
  }
  at::Tensor tokens = at::empty({group.images(), group.tokens(), width}, positions.options());
  tokens.select(1, 0).copy_(cls_token_ + positions_.select(0, 0));
  const at::Tensor patches = linear(group.patches.flatten(0, 1), patch_embed_);
  tokens.narrow(1, 1, group.tokens() - 1).copy_(patches.unflatten(0, {group.images(), -1}) + positions);
  return tokens;
}

void Trunk::embed_backward(const at::Tensor& dtokens, const ViewGroup& group) const {
  const at::Tensor dcls = dtokens.select(1, 0).sum(0);
  cls_token_gradient_.add_(dcls);
  positions_gradient_.select(0, 0).add_(dcls);

  const at::Tensor dpatches = dtokens.narrow(1, 1, group.tokens() - 1).reshape({-1, shape_.width});
  linear_parameters_backward(dpatches, group.patches.flatten(0, 1), patch_embed_);

  at::Tensor dpositions = dpatches.unflatten(0, {group.images(), -1});
  const bool one_mask = !group.keep.defined() || group.keep.dim() == 1;
  dpositions = one_mask ? dpositions.sum(0) : dpositions.flatten(0, 1);
  if (group.keep.defined()) {
    const at::Tensor all = at::zeros({group.grid * group.grid, shape_.width}, dpositions.options());
    dpositions = all.index_add_(0, group.keep.flatten(), dpositions);
  }
  if (group.grid != shape_.grid) dpositions = at::mm(resampling(group.grid).t(), dpositions);
  positions_gradient_.narrow(0, 1, shape_.grid * shape_.grid).add_(dpositions);
}

at::Tensor Trunk::forward(const ViewGroups& groups, Tape* tape, ClassToken where) const {
  MSN_CHECK(tape == nullptr || where == ClassToken::after_norm);
  std::vector<at::Tensor> parts;
  for (const ViewGroup& group : groups) {
    MSN_CHECK(group.patches.dim() == 3 && group.patches.size(2) == shape_.patch_values());
    parts.push_back(embed(group).flatten(0, 1));
  }
  at::Tensor x = at::cat(parts);
  if (tape != nullptr) {
    tape->groups = groups;
    tape->blocks.assign(blocks_.size(), {});
  }
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    x = block_forward(i, x, groups, tape == nullptr ? nullptr : &tape->blocks[i]);
  }
  if (where == ClassToken::before_norm) return x;
  return layer_norm(x, norm_, tape == nullptr ? nullptr : &tape->norm);
}

/// x [rows, width] -> [rows, width], or [images, width] for the last block.
at::Tensor Trunk::block_forward(std::size_t index, const at::Tensor& x, const ViewGroups& groups,
                                Tape::Block* tape) const {
  const Block& block = blocks_[index];
  const bool last = index + 1 == blocks_.size();
  const std::int64_t d = shape_.width;
  const at::Tensor normed1 = layer_norm(x, block.norm1, tape == nullptr ? nullptr : &tape->norm1);
  const at::Tensor skip = last ? class_rows(x, groups) : x;
  at::Tensor q, k, v;
  if (last) {
    q = linear(class_rows(normed1, groups), block.qkv.rows(0, d));
    const at::Tensor kv = linear(normed1, block.qkv.rows(d, 3 * d));
    k = kv.narrow(1, 0, d);
    v = kv.narrow(1, d, d);
  } else {
    const at::Tensor qkv = linear(normed1, block.qkv);
    q = qkv.narrow(1, 0, d);
    k = qkv.narrow(1, d, d);
    v = qkv.narrow(1, 2 * d, d);
  }
  std::vector<at::Tensor> parts;
  if (tape != nullptr) tape->attention.resize(groups.size());
  std::int64_t row = 0;
  std::int64_t query = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::int64_t rows = rows_of(groups[g]);
    const std::int64_t queries = last ? groups[g].images() : rows;
    parts.push_back(attention(q.narrow(0, query, queries), k.narrow(0, row, rows), v.narrow(0, row, rows),
                              groups[g].images(), shape_.heads, tape == nullptr ? nullptr : &tape->attention[g]));
    row += rows;
    query += queries;
  }
  const at::Tensor mixed = at::cat(parts);
  const at::Tensor y = linear(mixed, block.proj);
  scale_branch(y, groups, index, kAttention, last);
  y.add_(skip);
  const at::Tensor normed2 = layer_norm(y, block.norm2, tape == nullptr ? nullptr : &tape->norm2);
  const at::Tensor hidden = linear(normed2, block.fc1);
  const at::Tensor activated = at::gelu(hidden);
  if (tape != nullptr) {
    tape->normed1 = normed1;
    tape->mixed = mixed;
    tape->normed2 = normed2;
    tape->hidden = hidden;
    tape->activated = activated;
  }
  const at::Tensor out = linear(activated, block.fc2);
  scale_branch(out, groups, index, kMlp, last);
  return out.add_(y);
}

void Trunk::backward(const at::Tensor& dcls, Tape& tape, const OnReady& on_ready) const {
  const auto ready = [&](std::int64_t offset) {
    if (on_ready) on_ready(offset);
  };
  at::Tensor dx = layer_norm_backward(dcls, tape.norm, norm_);
  ready(norm_offset_);
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    dx = block_backward(i, dx, tape.groups, tape.blocks[i]);
    tape.blocks[i] = {};
    ready(blocks_[i].offset);
  }
  std::int64_t row = 0;
  for (const ViewGroup& group : tape.groups) {
    embed_backward(dx.narrow(0, row, rows_of(group)).unflatten(0, {group.images(), group.tokens()}), group);
    row += rows_of(group);
  }
  ready(0);
}

at::Tensor Trunk::block_backward(std::size_t index, const at::Tensor& dy, const ViewGroups& groups,
                                 Tape::Block& tape) const {
  const Block& block = blocks_[index];
  const bool last = index + 1 == blocks_.size();
  const std::int64_t d = shape_.width;
  // The gradient of a scaled branch's output; the skip connection beside it takes the gradient as it is.
  const bool scaled = has_branch_scale(groups);
  const auto into_branch = [&](const at::Tensor& gradient, Branch branch) {
    if (!scaled) return gradient;
    at::Tensor copy = gradient.clone();
    scale_branch(copy, groups, index, branch, last);
    return copy;
  };
  const at::Tensor dactivated = linear_backward(into_branch(dy, kMlp), tape.activated, block.fc2);
  const at::Tensor dhidden = at::gelu_backward(dactivated, tape.hidden);
  const at::Tensor dnormed2 = linear_backward(dhidden, tape.normed2, block.fc1);
  const at::Tensor dmiddle = layer_norm_backward(dnormed2, tape.norm2, block.norm2).add_(dy);
  const at::Tensor dmixed = linear_backward(into_branch(dmiddle, kAttention), tape.mixed, block.proj);

  const std::int64_t all_rows = tape.normed1.size(0);
  // Written slice by slice, so that the products below see one matrix each.
  const at::Tensor dqkv = at::empty({all_rows, last ? 2 * d : 3 * d}, dy.options());
  const at::Tensor dq_last = last ? at::empty({dy.size(0), d}, dy.options()) : at::Tensor();
  std::int64_t row = 0;
  std::int64_t query = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::int64_t rows = rows_of(groups[g]);
    const std::int64_t queries = last ? groups[g].images() : rows;
    const AttentionGradients gradients = attention_backward(dmixed.narrow(0, query, queries), tape.attention[g]);
    const at::Tensor part = dqkv.narrow(0, row, rows);
    const std::int64_t k_column = last ? 0 : d;
    (last ? dq_last.narrow(0, query, queries) : part.narrow(1, 0, d)).copy_(gradients.dq);
    part.narrow(1, k_column, d).copy_(gradients.dk);
    part.narrow(1, k_column + d, d).copy_(gradients.dv);
    row += rows;
    query += queries;
  }
  if (!last) {
    const at::Tensor dnormed1 = linear_backward(dqkv, tape.normed1, block.qkv);
    return layer_norm_backward(dnormed1, tape.norm1, block.norm1).add_(dmiddle);
  }
  at::Tensor dnormed1 = linear_backward(dqkv, tape.normed1, block.qkv.rows(d, 3 * d));
  add_to_class_rows(dnormed1, linear_backward(dq_last, class_rows(tape.normed1, groups), block.qkv.rows(0, d)), groups);
  at::Tensor dx = layer_norm_backward(dnormed1, tape.norm1, block.norm1);
  add_to_class_rows(dx, dmiddle, groups);
  return dx;
}

}  // namespace msn
