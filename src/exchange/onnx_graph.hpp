// SPDX-License-Identifier: Apache-2.0
// Graphs of ONNX (github.com/onnx/onnx, docs/IR.md, onnx/onnx.proto): nodes, each an operator on named values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/protobuf.hpp"

namespace msn {

/// The versions of the format and of its operators that graphs are written in: the first with LayerNormalization
/// (ONNX 1.12, onnxruntime 1.12).
inline constexpr std::int64_t kOnnxIrVersion = 8;
inline constexpr std::int64_t kOnnxOperators = 17;

/// The size of a dimension that whoever runs the graph chooses, the same one wherever it stands.
inline constexpr std::int64_t kOnnxBatch = -1;

using OnnxAttribute = ProtobufMessage;
OnnxAttribute onnx_attribute(std::string_view name, std::int64_t value);
OnnxAttribute onnx_attribute(std::string_view name, double value);  ///< Stored as a float.
OnnxAttribute onnx_attribute(std::string_view name, std::span<const std::int64_t> values);

/// Key and value, texts.
ProtobufMessage onnx_entry(std::string_view key, std::string_view value);

/// A TensorProto without its values: name, shape, float32.
ProtobufMessage onnx_float_tensor(std::string_view name, std::span<const std::int64_t> shape);
inline constexpr std::uint32_t kOnnxTensorRawData = 9;  ///< Its field of values, row-major, little-endian.
inline constexpr std::uint32_t kOnnxTensorExternalData = 13;
inline constexpr std::uint32_t kOnnxTensorDataLocation = 14;

inline constexpr std::uint32_t kOnnxGraphInitializer = 5;

/// A graph that grows node by node; each takes values that are there already. A value has the name of its node.
class OnnxGraph {
 public:
  /// A tensor that the graph takes from its file.
  struct Weight {
    std::string name;
    std::vector<std::int64_t> shape;
  };

  /// Float32 values that the graph takes and gives.
  std::string input(std::string name, std::span<const std::int64_t> shape);
  void output(std::string_view name, std::span<const std::int64_t> shape);

  std::string weight(std::string name, std::vector<std::int64_t> shape);
  /// Numbers that are part of the graph: a list, or a single number.
  std::string integers(std::string name, std::span<const std::int64_t> values);
  std::string integer(std::string name, std::int64_t value);
  std::string real(std::string name, float value);

  std::string node(std::string_view op, std::string name, const std::vector<std::string>& inputs,
                   const std::vector<OnnxAttribute>& attributes = {});
  /// A node with several values, NAME.0, NAME.1, ...
  std::vector<std::string> node_with_outputs(std::string_view op, const std::string& name, std::size_t outputs,
                                             const std::vector<std::string>& inputs,
                                             const std::vector<OnnxAttribute>& attributes = {});

  /// In the order in which they were taken.
  const std::vector<Weight>& weights() const { return weights_; }
  /// The GraphProto without its weights.
  const std::string& bytes() const { return graph_.bytes(); }

 private:
  void add_node(std::string_view op, std::string_view name, const std::vector<std::string>& inputs,
                const std::vector<std::string>& outputs, const std::vector<OnnxAttribute>& attributes);
  void add_value(std::uint32_t field, std::string_view name, std::span<const std::int64_t> shape);

  ProtobufMessage graph_;
  std::vector<Weight> weights_;
};

}  // namespace msn
