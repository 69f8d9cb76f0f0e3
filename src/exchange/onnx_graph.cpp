// SPDX-License-Identifier: Apache-2.0
#include "exchange/onnx_graph.hpp"

#include <bit>
#include <cstring>

namespace msn {

static_assert(std::endian::native == std::endian::little, "raw_data of ONNX is little-endian");

namespace {

// Field numbers and values of enumerations are those of onnx.proto.

namespace attribute_proto {
constexpr std::uint32_t name = 1, f = 2, i = 3, ints = 8, type = 20;
constexpr std::int64_t is_float = 1, is_int = 2, is_ints = 7;
}  // namespace attribute_proto

namespace tensor_proto {
constexpr std::uint32_t dims = 1, data_type = 2, name = 8;
constexpr std::int64_t is_float = 1, is_int64 = 7;
}  // namespace tensor_proto

namespace node_proto {
constexpr std::uint32_t input = 1, output = 2, name = 3, op_type = 4, attribute = 5;
}  // namespace node_proto

namespace graph_proto {
constexpr std::uint32_t node = 1, input = 11, output = 12;
}  // namespace graph_proto

/// The attribute without its value.
OnnxAttribute attribute(std::string_view name, std::int64_t type) {
  OnnxAttribute attribute;
  attribute.add_bytes(attribute_proto::name, name);
  attribute.add_integer(attribute_proto::type, type);
  return attribute;
}

ProtobufMessage tensor(std::string_view name, std::int64_t type, std::span<const std::int64_t> shape) {
  ProtobufMessage tensor;
  tensor.add_packed(tensor_proto::dims, shape);
  tensor.add_integer(tensor_proto::data_type, type);
  tensor.add_bytes(tensor_proto::name, name);
  return tensor;
}

template <class T>
void add_raw_data(ProtobufMessage& tensor, std::span<const T> values) {
  std::string bytes(values.size_bytes(), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  tensor.add_bytes(kOnnxTensorRawData, bytes);
}

}  // namespace

OnnxAttribute onnx_attribute(std::string_view name, std::int64_t value) {
  OnnxAttribute result = attribute(name, attribute_proto::is_int);
  result.add_integer(attribute_proto::i, value);
  return result;
}

OnnxAttribute onnx_attribute(std::string_view name, double value) {
  OnnxAttribute result = attribute(name, attribute_proto::is_float);
  result.add_float(attribute_proto::f, static_cast<float>(value));
  return result;
}

OnnxAttribute onnx_attribute(std::string_view name, std::span<const std::int64_t> values) {
  OnnxAttribute result = attribute(name, attribute_proto::is_ints);
  result.add_packed(attribute_proto::ints, values);
  return result;
}

ProtobufMessage onnx_entry(std::string_view key, std::string_view value) {
  ProtobufMessage entry;
  entry.add_bytes(1, key);
  entry.add_bytes(2, value);
  return entry;
}

ProtobufMessage onnx_float_tensor(std::string_view name, std::span<const std::int64_t> shape) {
  return tensor(name, tensor_proto::is_float, shape);
}

std::string OnnxGraph::input(std::string name, std::span<const std::int64_t> shape) {
  add_value(graph_proto::input, name, shape);
  return name;
}

void OnnxGraph::output(std::string_view name, std::span<const std::int64_t> shape) {
  add_value(graph_proto::output, name, shape);
}

/// A ValueInfoProto: name, and a TypeProto that holds a Tensor with its shape.
void OnnxGraph::add_value(std::uint32_t field, std::string_view name, std::span<const std::int64_t> shape) {
  ProtobufMessage dimensions, tensor_type, type, value;
  for (const std::int64_t size : shape) {
    ProtobufMessage dimension;
    if (size == kOnnxBatch) {
      dimension.add_bytes(2, "batch");
    } else {
      dimension.add_integer(1, size);
    }
    dimensions.add_message(1, dimension);
  }
  tensor_type.add_integer(1, tensor_proto::is_float);
  tensor_type.add_message(2, dimensions);
  type.add_message(1, tensor_type);
  value.add_bytes(1, name);
  value.add_message(2, type);
  graph_.add_message(field, value);
}

std::string OnnxGraph::weight(std::string name, std::vector<std::int64_t> shape) {
  weights_.push_back({std::move(name), std::move(shape)});
  return weights_.back().name;
}

std::string OnnxGraph::integers(std::string name, std::span<const std::int64_t> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  ProtobufMessage constant = tensor(name, tensor_proto::is_int64, std::span(&count, 1));
  add_raw_data(constant, values);
  graph_.add_message(kOnnxGraphInitializer, constant);
  return name;
}

std::string OnnxGraph::integer(std::string name, std::int64_t value) {
  ProtobufMessage constant = tensor(name, tensor_proto::is_int64, {});
  add_raw_data(constant, std::span<const std::int64_t>(&value, 1));
  graph_.add_message(kOnnxGraphInitializer, constant);
  return name;
}

std::string OnnxGraph::real(std::string name, float value) {
  ProtobufMessage constant = tensor(name, tensor_proto::is_float, {});
  add_raw_data(constant, std::span<const float>(&value, 1));
  graph_.add_message(kOnnxGraphInitializer, constant);
  return name;
}

std::string OnnxGraph::node(std::string_view op, std::string name, const std::vector<std::string>& inputs,
                            const std::vector<OnnxAttribute>& attributes) {
  add_node(op, name, inputs, {name}, attributes);
  return name;
}

std::vector<std::string> OnnxGraph::node_with_outputs(std::string_view op, const std::string& name, std::size_t outputs,
                                                      const std::vector<std::string>& inputs,
                                                      const std::vector<OnnxAttribute>& attributes) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < outputs; ++i)
    values.push_back(name + "." + std::to_string(i));
  add_node(op, name, inputs, values, attributes);
  return values;
}

void OnnxGraph::add_node(std::string_view op, std::string_view name, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& outputs, const std::vector<OnnxAttribute>& attributes) {
  ProtobufMessage node;
  for (const std::string& input : inputs)
    node.add_bytes(node_proto::input, input);
  for (const std::string& output : outputs)
    node.add_bytes(node_proto::output, output);
  node.add_bytes(node_proto::name, name);
  node.add_bytes(node_proto::op_type, op);
  for (const OnnxAttribute& attribute : attributes)
    node.add_message(node_proto::attribute, attribute);
  graph_.add_message(graph_proto::node, node);
}

}  // namespace msn
