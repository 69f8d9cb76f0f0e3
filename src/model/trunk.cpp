// SPDX-License-Identifier: Apache-2.0
#include "model/trunk.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "kernels/work_times.hpp"
#include "model/gemm.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
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

/// For every row of the packed matrix: which image's class token it is, or -1. Made on `device`.
at::Tensor image_of_class_row(const ViewGroups& groups, at::Device device) {
  const auto options = at::TensorOptions(at::kLong).device(device);
  std::vector<at::Tensor> parts;
  std::int64_t image = 0;
  for (const ViewGroup& group : groups) {
    const at::Tensor part = at::full({group.images(), group.tokens()}, -1, options);
    part.select(1, 0).copy_(at::arange(image, image + group.images(), options));
    image += group.images();
    parts.push_back(part.flatten());
  }
  return at::cat(parts);
}

// LibTorch adds a bias within the product, at no cost on a GPU. The kernels of the other forms add it on their way.

/// Whether the products of the MLP and of the projection have their biases added.
bool products_add_biases(const at::Tensor& x) {
  return kernel_form(x) == KernelForm::torch;
}

/// Whether those of queries, keys and values have: attention of devices takes them so.
bool attention_takes_biases(const at::Tensor& x) {
  return kernel_form(x) == KernelForm::rows;
}

at::Tensor product_of(const at::Tensor& x, const Linear& layer, bool add_bias) {
  const at::Tensor weight = layer.weight.t();
  return add_bias ? product_with_bias(x, weight, layer.compute_bias) : product(x, weight);
}

/// The gradients of patches [images, visible, width] summed by their positions `keep` [images, visible]: [positions,
/// width]. In an order that is the same each time, unlike that of index_add_() on a GPU.
at::Tensor sum_by_position(const at::Tensor& dpatches, const at::Tensor& keep, std::int64_t positions) {
  const at::Tensor all = at::zeros({dpatches.size(0), positions, dpatches.size(2)}, dpatches.options());
  all.scatter_(1, keep.unsqueeze(2).expand_as(dpatches), dpatches);
  return at::sum(all, {0}, false, accumulate_type(dpatches.scalar_type()));
}

void add_column_sums(const at::Tensor& sums, const at::Tensor& matrix) {
  sums.add_(at::sum(matrix, {0}, false, sums.scalar_type()));
}

/// The rows of one group: of the queries, of keys and values.
struct AttentionRows {
  std::int64_t query, queries, row, rows, images;
};

AttentionInput attention_input(const AttentionRows& part, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const at::Tensor& biases, std::int64_t heads) {
  AttentionInput in;
  in.q = q.narrow(0, part.query, part.queries);
  in.k = k.narrow(0, part.row, part.rows);
  in.v = v.narrow(0, part.row, part.rows);
  in.images = part.images;
  in.heads = heads;
  if (attention_takes_biases(q)) {
    const std::int64_t width = q.size(1);
    in.q_bias = biases.narrow(0, 0, width);
    in.k_bias = biases.narrow(0, width, width);
    in.v_bias = biases.narrow(0, 2 * width, width);
  }
  return in;
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
    blocks_.push_back({parameters.segment(name + "norm1.weight").offset, Affine(parameters, name + "norm1", weights),
                       Linear(parameters, name + "attn.qkv", weights), Linear(parameters, name + "attn.proj", weights),
                       Affine(parameters, name + "norm2", weights), Linear(parameters, name + "mlp.fc1", weights),
                       Linear(parameters, name + "mlp.fc2", weights)});
  }
}

const at::Tensor& Trunk::resampling(std::int64_t grid) const {
  at::Tensor& matrix = resamplings_[grid];
  if (!matrix.defined()) matrix = position_resampling(shape_.grid, grid).to(positions_.options());
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
    if (group.keep.defined() && group.keep.dim() == 2 && kernel_form(dx) != KernelForm::rows) {
      dpositions = sum_by_position(gradients.dpatches, group.keep, group.grid * group.grid);
    } else if (group.keep.defined()) {
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
    parts.push_back(one_token ? factors : factors.unsqueeze(1).expand({group.images(), group.tokens()}).reshape({-1}));
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
  const LayerNormed last = final_norm(stream);
  if (tape != nullptr) tape->norm = {last.sum, last.mean, last.rstd, {}};
  return where == ClassToken::before_norm ? last.sum : last.normed;
}

/// Of one row an image. Head and loss take it in the parameters' type.
LayerNormed Trunk::final_norm(Stream stream) const {
  stream.x = stream.x.to(positions_.scalar_type());
  stream.branch = stream.branch.to(positions_.scalar_type());
  return add_layer_norm(stream, norm_);
}

at::Tensor Trunk::class_tokens(const ViewGroups& groups, const TokenChoice& choice) const {
  const auto depth = static_cast<std::int64_t>(blocks_.size());
  const std::int64_t layer = choice.layer == 0 ? depth : choice.layer;
  MSN_CHECK(layer >= 1 && layer <= depth && choice.blocks >= 1 && choice.blocks <= layer);
  std::vector<at::Tensor> tokens;
  Stream stream{embed_all(groups), {}, {}, {}};
  for (std::int64_t i = 0; i < layer; ++i) {
    stream = block_forward(static_cast<std::size_t>(i), stream, groups, nullptr);
    if (i < layer - choice.blocks) continue;
    Stream rows = stream;
    if (i + 1 < depth) rows = {class_rows(stream.x, groups), class_rows(stream.branch, groups), stream.branch_bias, {}};
    const LayerNormed last = final_norm(rows);
    tokens.push_back(choice.where == ClassToken::before_norm ? last.sum : last.normed);
  }
  return tokens.size() == 1 ? tokens.front() : at::cat(tokens, 1);
}

/// [rows, width] -> [rows, width], or [images, width] for the last block.
Stream Trunk::block_forward(std::size_t index, const Stream& stream, const ViewGroups& groups,
                            Tape::Block* tape) const {
  const Block& block = blocks_[index];
  const bool last = index + 1 == blocks_.size();
  const std::int64_t d = shape_.width;
  const bool biased = products_add_biases(stream.x), qkv_biased = !attention_takes_biases(stream.x);
  const auto unless_biased = [&](const at::Tensor& bias) { return biased ? at::Tensor() : bias; };
  LayerNormed norm1 = add_layer_norm(stream, block.norm1);
  at::Tensor projected, q, k, v;
  if (last) {
    q = product_of(class_rows(norm1.normed, groups), block.qkv.rows(0, d), qkv_biased);
    projected = product_of(norm1.normed, block.qkv.rows(d, 3 * d), qkv_biased);
    k = projected.narrow(1, 0, d);
    v = projected.narrow(1, d, d);
  } else {
    projected = product_of(norm1.normed, block.qkv, qkv_biased);
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
    const AttentionTape left =
        attention(attention_input({query, queries, row, rows, group.images()}, q, k, v, block.qkv.bias, shape_.heads),
                  mixed.narrow(0, query, queries), tape != nullptr);
    if (tape != nullptr) tape->attention.push_back(left);
    row += rows;
    query += queries;
  }
  LayerNormed norm2 =
      add_layer_norm({last ? class_rows(norm1.sum, groups) : norm1.sum, product_of(mixed, block.proj, biased),
                      unless_biased(block.proj.bias), row_scale(groups, index, Branch::attention)},
                     block.norm2);
  const at::Tensor hidden = product_of(norm2.normed, block.fc1, biased);
  const at::Tensor activated = bias_gelu(hidden, unless_biased(block.fc1.bias), tape == nullptr);
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
  return {x, product_of(activated, block.fc2, biased), unless_biased(block.fc2.bias),
          row_scale(groups, index, Branch::mlp)};
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
  bias_gelu_backward(dhidden, tape.hidden, products_add_biases(dhidden) ? at::Tensor() : block.fc1.bias,
                     block.fc1.bias_gradient, activate);
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
    const AttentionRows part{query, queries, row, rows, groups[g].images()};
    attention_backward(attention_input(part, tape.q, tape.k, tape.v, block.qkv.bias, shape_.heads),
                       dmixed.narrow(0, query, queries), tape.attention[g],
                       attention_input(part, tape.q, tape.k, tape.v, block.qkv.bias_gradient, shape_.heads));
    row += rows;
    query += queries;
  }
  tape.attention.clear();
  if (!tape.norm1.normed.defined()) tape.norm1.normed = layer_norm_again(tape.norm1, block.norm1);
  const Linear into_rows = last ? block.qkv.rows(d, 3 * d) : block.qkv;
  const bool sum_for_biases = !attention_takes_biases(tape.qkv);
  if (sum_for_biases) add_column_sums(into_rows.bias_gradient, tape.qkv);
  add_product(into_rows.weight_gradient, tape.qkv.t(), tape.norm1.normed);
  const at::Tensor dnormed1 = product(tape.qkv, into_rows.weight);
  if (last) {
    const Linear queries = block.qkv.rows(0, d);
    if (sum_for_biases) add_column_sums(queries.bias_gradient, tape.q);
    add_product(queries.weight_gradient, tape.q.t(), class_rows(tape.norm1.normed, groups));
    add_to_class_rows(dnormed1, product(tape.q, queries.weight), groups);
  }
  return layer_norm_backward(dnormed1, tape.norm1, block.norm1, middle.dx,
                             last ? image_of_class_row(groups, dnormed1.device()) : at::Tensor(),
                             index == 0 ? at::Tensor() : row_scale(groups, index - 1, Branch::mlp),
                             index == 0 ? at::Tensor() : blocks_[index - 1].fc2.bias_gradient);
}

}  // namespace msn
