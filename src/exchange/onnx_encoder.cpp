// SPDX-License-Identifier: Apache-2.0
#include "exchange/onnx_encoder.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.hpp"

namespace msn {
namespace {

using Shape = std::vector<std::int64_t>;

OnnxAttribute permutation(const Shape& order) {
  return onnx_attribute("perm", order);
}

/// Constants that several nodes share.
struct Constants {
  std::string as_rows;     ///< Shape of tokens as the rows of a matrix, [images * tokens, width].
  std::string as_tokens;   ///< [images, tokens, width]
  std::string as_heads;    ///< [images, tokens, heads, width of a head]
  std::string head_scale;  ///< 1 / sqrt(width of a head)
  std::string half, one, sqrt_2;
};

class Builder {
 public:
  explicit Builder(const OnnxEncoder& encoder) : encoder_(encoder) {
    const std::int64_t head = encoder.width / encoder.heads;
    constants_.as_rows = graph_.integers("as_rows", Shape{-1, encoder.width});
    constants_.as_tokens = graph_.integers("as_tokens", Shape{-1, encoder.tokens(), encoder.width});
    constants_.as_heads = graph_.integers("as_heads", Shape{-1, encoder.tokens(), encoder.heads, head});
    constants_.head_scale = graph_.real("head_scale", static_cast<float>(1 / std::sqrt(static_cast<double>(head))));
    constants_.half = graph_.real("half", 0.5f);
    constants_.one = graph_.real("one", 1.0f);
    constants_.sqrt_2 = graph_.real("sqrt_2", std::numbers::sqrt2_v<float>);
  }

  OnnxGraph build() && {
    std::string x = embedded();
    for (std::int64_t i = 0; i < encoder_.depth; ++i)
      x = block("blocks." + std::to_string(i), x);
    outputs(x);
    return std::move(graph_);
  }

 private:
  /// Matrices of token rows go through Gemm, which takes a weight as [out, in], as it is stored.
  std::string linear(const std::string& name, const std::string& x, std::int64_t in, std::int64_t out) {
    return graph_.node("Gemm", name,
                       {x, graph_.weight(name + ".weight", {out, in}), graph_.weight(name + ".bias", {out})},
                       {onnx_attribute("transB", std::int64_t{1})});
  }

  /// Over the last dimension.
  std::string layer_norm(const std::string& name, const std::string& weights, const std::string& x) {
    const Shape shape{encoder_.width};
    return graph_.node("LayerNormalization", name,
                       {x, graph_.weight(weights + ".weight", shape), graph_.weight(weights + ".bias", shape)},
                       {onnx_attribute("epsilon", encoder_.layer_norm_eps)});
  }

  /// x (1 + erf(x / sqrt(2))) / 2: the operator Gelu came with version 20. Runtimes know these five by their order.
  std::string gelu(const std::string& name, const std::string& x) {
    const std::string scaled = graph_.node("Div", name + ".scaled", {x, constants_.sqrt_2});
    const std::string erf = graph_.node("Erf", name + ".erf", {scaled});
    const std::string sum = graph_.node("Add", name + ".sum", {erf, constants_.one});
    const std::string product = graph_.node("Mul", name + ".product", {x, sum});
    return graph_.node("Mul", name, {product, constants_.half});
  }

  /// The tokens as rows [images * tokens, width], class tokens first, positions added.
  std::string embedded() {
    const std::int64_t width = encoder_.width, patch = encoder_.patch, grid = encoder_.grid();
    const std::string pixels = graph_.input("pixel_values", Shape{kOnnxBatch, 3, encoder_.image, encoder_.image});
    const std::string grids = graph_.node(
        "Conv", "patch_embed.proj",
        {pixels, graph_.weight("patch_embed.proj.weight", {width, 3, patch, patch}),
         graph_.weight("patch_embed.proj.bias", {width})},
        {onnx_attribute("kernel_shape", Shape{patch, patch}), onnx_attribute("strides", Shape{patch, patch})});
    const std::string columns = graph_.node("Reshape", "patch_embed.columns",
                                            {grids, graph_.integers("as_columns", Shape{-1, width, grid * grid})});
    const std::string patches = graph_.node("Transpose", "patch_embed.patches", {columns}, {permutation({0, 2, 1})});

    const std::string images =
        graph_.node("Shape", "images", {pixels},
                    {onnx_attribute("start", std::int64_t{0}), onnx_attribute("end", std::int64_t{1})});
    const std::string one_each = graph_.node("Concat", "one_each", {images, graph_.integers("once", Shape{1, 1})},
                                             {onnx_attribute("axis", std::int64_t{0})});
    const std::string classes =
        graph_.node("Expand", "class_tokens", {graph_.weight("cls_token", {1, 1, width}), one_each});
    const std::string tokens =
        graph_.node("Concat", "tokens", {classes, patches}, {onnx_attribute("axis", std::int64_t{1})});
    const std::string placed =
        graph_.node("Add", "placed_tokens", {tokens, graph_.weight("pos_embed", {1, encoder_.tokens(), width})});
    return graph_.node("Reshape", "embedded", {placed, constants_.as_rows});
  }

  /// Rows to rows.
  std::string attention(const std::string& name, const std::string& x) {
    const std::int64_t width = encoder_.width;
    const std::vector<std::string> rows =
        graph_.node_with_outputs("Split", name + ".split", 3, {linear(name + ".qkv", x, width, 3 * width)},
                                 {onnx_attribute("axis", std::int64_t{1})});
    // [images, heads, tokens, width of a head], or with the last two the other way round.
    const auto heads = [&](const std::string& part, const std::string& value, const Shape& order) {
      const std::string split = graph_.node("Reshape", name + "." + part + ".rows", {value, constants_.as_heads});
      return graph_.node("Transpose", name + "." + part, {split}, {permutation(order)});
    };
    const std::string q = heads("q", rows[0], {0, 2, 1, 3});
    const std::string k = heads("k", rows[1], {0, 2, 3, 1});
    const std::string v = heads("v", rows[2], {0, 2, 1, 3});
    const std::string scaled = graph_.node("Mul", name + ".q.scaled", {q, constants_.head_scale});
    const std::string scores = graph_.node("MatMul", name + ".scores", {scaled, k});
    const std::string weights =
        graph_.node("Softmax", name + ".softmax", {scores}, {onnx_attribute("axis", std::int64_t{-1})});
    const std::string mixed = graph_.node("MatMul", name + ".mixed", {weights, v});
    const std::string merged = graph_.node("Transpose", name + ".mixed.tokens", {mixed}, {permutation({0, 2, 1, 3})});
    const std::string merged_rows = graph_.node("Reshape", name + ".mixed.rows", {merged, constants_.as_rows});
    return linear(name + ".proj", merged_rows, width, width);
  }

  std::string mlp(const std::string& name, const std::string& x) {
    const std::string hidden = linear(name + ".fc1", x, encoder_.width, encoder_.mlp);
    return linear(name + ".fc2", gelu(name + ".gelu", hidden), encoder_.mlp, encoder_.width);
  }

  std::string block(const std::string& name, const std::string& x) {
    const std::string norm1 = layer_norm(name + ".norm1", name + ".norm1", x);
    const std::string middle = graph_.node("Add", name + ".middle", {x, attention(name + ".attn", norm1)});
    const std::string norm2 = layer_norm(name + ".norm2", name + ".norm2", middle);
    return graph_.node("Add", name, {middle, mlp(name + ".mlp", norm2)});
  }

  void outputs(const std::string& rows) {
    const std::int64_t width = encoder_.width, tokens = encoder_.tokens();
    const std::string before = graph_.node("Reshape", "hidden_state_before_norm", {rows, constants_.as_tokens});
    const std::string after = layer_norm("last_hidden_state", "norm", before);
    const std::string first = graph_.integer("first", 0);
    const OnnxAttribute over_tokens = onnx_attribute("axis", std::int64_t{1});
    const std::string cls = graph_.node("Gather", "cls", {after, first}, {over_tokens});
    const std::string token = graph_.integers("token", Shape{1});
    const std::string end = graph_.integers("end", Shape{std::numeric_limits<std::int64_t>::max()});
    const std::string patches = graph_.node("Slice", "patches", {after, token, end, token});
    const std::string cls_before = graph_.node("Gather", "cls_before_norm", {before, first}, {over_tokens});
    graph_.output(after, Shape{kOnnxBatch, tokens, width});
    graph_.output(cls, Shape{kOnnxBatch, width});
    graph_.output(patches, Shape{kOnnxBatch, tokens - 1, width});
    graph_.output(cls_before, Shape{kOnnxBatch, width});
  }

  OnnxEncoder encoder_;
  OnnxGraph graph_;
  Constants constants_;
};

}  // namespace

OnnxGraph onnx_encoder_graph(const OnnxEncoder& encoder) {
  MSN_CHECK(encoder.heads > 0 && encoder.width > 0 && encoder.width % encoder.heads == 0);
  MSN_CHECK(encoder.patch > 0 && encoder.image >= encoder.patch);
  MSN_CHECK(encoder.depth > 0 && encoder.mlp > 0 && encoder.layer_norm_eps > 0);
  return Builder(encoder).build();
}

}  // namespace msn
