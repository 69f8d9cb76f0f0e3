// SPDX-License-Identifier: Apache-2.0
// Reading ONNX models back, for tests: the wire format of Protocol Buffers by itself, then the fields of onnx.proto
// that msn writes. Whatever else a model holds is a failure (std::runtime_error).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace msn::test {

struct ProtobufField {
  std::uint32_t number = 0;
  std::uint32_t type = 0;     ///< 0: varint, 2: bytes, 5: four bytes.
  std::uint64_t integer = 0;  ///< Of a varint or the four bytes.
  std::string_view bytes;

  std::string text() const { return std::string(bytes); }
  std::int64_t number_value() const { return static_cast<std::int64_t>(integer); }
};

inline std::uint64_t take_varint(std::string_view& rest) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest.empty()) throw std::runtime_error("a varint is cut off");
    const auto byte = static_cast<std::uint8_t>(rest.front());
    rest.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  throw std::runtime_error("a varint of more than ten bytes");
}

inline std::string_view take_bytes(std::string_view& rest, std::uint64_t size) {
  if (size > rest.size()) throw std::runtime_error("a value goes beyond the end of its message");
  const std::string_view bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  return bytes;
}

inline std::vector<ProtobufField> protobuf_fields(std::string_view message) {
  std::vector<ProtobufField> fields;
  while (!message.empty()) {
    ProtobufField field;
    const std::uint64_t tag = take_varint(message);
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.type = static_cast<std::uint32_t>(tag & 7);
    if (field.type == 0) {
      field.integer = take_varint(message);
    } else if (field.type == 2) {
      field.bytes = take_bytes(message, take_varint(message));
    } else if (field.type == 5) {
      field.bytes = take_bytes(message, 4);
      std::memcpy(&field.integer, field.bytes.data(), 4);
    } else {
      throw std::runtime_error("wire type " + std::to_string(field.type));
    }
    fields.push_back(field);
  }
  return fields;
}

inline std::vector<std::int64_t> unpacked(std::string_view bytes) {
  std::vector<std::int64_t> values;
  while (!bytes.empty())
    values.push_back(static_cast<std::int64_t>(take_varint(bytes)));
  return values;
}

[[noreturn]] inline void unknown_field(const char* message, const ProtobufField& field) {
  throw std::runtime_error(std::string("unknown field ") + std::to_string(field.number) + " of " + message);
}

struct OnnxReadAttribute {
  std::int64_t type = 0;
  std::int64_t i = 0;
  float f = 0;
  std::vector<std::int64_t> ints;
};

struct OnnxReadNode {
  std::string op, name;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, OnnxReadAttribute> attributes;
};

struct OnnxReadTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t type = 0;
  std::string raw;
  bool has_raw = false;
  std::int64_t location = 0;
  std::map<std::string, std::string> external;
};

/// A dimension is a number or a name.
struct OnnxReadValue {
  std::string name;
  std::int64_t type = 0;
  std::vector<std::string> shape;
};

struct OnnxReadModel {
  std::int64_t ir_version = 0, operators = 0;
  std::string producer, producer_version, graph;
  std::map<std::string, std::string> metadata;
  std::vector<OnnxReadNode> nodes;
  std::vector<OnnxReadTensor> initializers;
  std::vector<OnnxReadValue> inputs, outputs;
};

inline std::pair<std::string, std::string> read_onnx_entry(std::string_view message) {
  std::pair<std::string, std::string> entry;
  for (const ProtobufField& field : protobuf_fields(message)) {
    if (field.number != 1 && field.number != 2) unknown_field("StringStringEntryProto", field);
    (field.number == 1 ? entry.first : entry.second) = field.text();
  }
  return entry;
}

inline std::pair<std::string, OnnxReadAttribute> read_onnx_attribute(std::string_view message) {
  std::pair<std::string, OnnxReadAttribute> result;
  for (const ProtobufField& field : protobuf_fields(message)) {
    switch (field.number) {
      case 1:
        result.first = field.text();
        break;
      case 2:
        result.second.f = std::bit_cast<float>(static_cast<std::uint32_t>(field.integer));
        break;
      case 3:
        result.second.i = field.number_value();
        break;
      case 8:
        result.second.ints = unpacked(field.bytes);
        break;
      case 20:
        result.second.type = field.number_value();
        break;
      default:
        unknown_field("AttributeProto", field);
    }
  }
  return result;
}

inline OnnxReadNode read_onnx_node(std::string_view message) {
  OnnxReadNode node;
  for (const ProtobufField& field : protobuf_fields(message)) {
    switch (field.number) {
      case 1:
        node.inputs.push_back(field.text());
        break;
      case 2:
        node.outputs.push_back(field.text());
        break;
      case 3:
        node.name = field.text();
        break;
      case 4:
        node.op = field.text();
        break;
      case 5:
        node.attributes.insert(read_onnx_attribute(field.bytes));
        break;
      default:
        unknown_field("NodeProto", field);
    }
  }
  return node;
}

inline OnnxReadTensor read_onnx_tensor(std::string_view message) {
  OnnxReadTensor tensor;
  for (const ProtobufField& field : protobuf_fields(message)) {
    switch (field.number) {
      case 1:
        tensor.shape = unpacked(field.bytes);
        break;
      case 2:
        tensor.type = field.number_value();
        break;
      case 8:
        tensor.name = field.text();
        break;
      case 9:
        tensor.raw = field.text();
        tensor.has_raw = true;
        break;
      case 13:
        tensor.external.insert(read_onnx_entry(field.bytes));
        break;
      case 14:
        tensor.location = field.number_value();
        break;
      default:
        unknown_field("TensorProto", field);
    }
  }
  return tensor;
}

/// The only field of a message that holds one message.
inline std::string_view only_field(std::string_view message, std::uint32_t number) {
  const std::vector<ProtobufField> fields = protobuf_fields(message);
  if (fields.size() != 1 || fields[0].number != number || fields[0].type != 2) throw std::runtime_error("no one field");
  return fields[0].bytes;
}

inline OnnxReadValue read_onnx_value(std::string_view message) {
  OnnxReadValue value;
  for (const ProtobufField& field : protobuf_fields(message)) {
    if (field.number == 1) {
      value.name = field.text();
      continue;
    }
    if (field.number != 2) unknown_field("ValueInfoProto", field);
    for (const ProtobufField& part : protobuf_fields(only_field(field.bytes, 1))) {
      if (part.number == 1) {
        value.type = part.number_value();
        continue;
      }
      if (part.number != 2) unknown_field("TypeProto.Tensor", part);
      for (const ProtobufField& dimension : protobuf_fields(part.bytes)) {
        for (const ProtobufField& size : protobuf_fields(dimension.bytes))
          value.shape.push_back(size.number == 1 ? std::to_string(size.integer) : size.text());
      }
    }
  }
  return value;
}

inline void read_onnx_graph(std::string_view message, OnnxReadModel& model) {
  for (const ProtobufField& field : protobuf_fields(message)) {
    switch (field.number) {
      case 1:
        model.nodes.push_back(read_onnx_node(field.bytes));
        break;
      case 2:
        model.graph = field.text();
        break;
      case 5:
        model.initializers.push_back(read_onnx_tensor(field.bytes));
        break;
      case 11:
        model.inputs.push_back(read_onnx_value(field.bytes));
        break;
      case 12:
        model.outputs.push_back(read_onnx_value(field.bytes));
        break;
      default:
        unknown_field("GraphProto", field);
    }
  }
}

inline OnnxReadModel read_onnx(std::string_view file) {
  OnnxReadModel model;
  for (const ProtobufField& field : protobuf_fields(file)) {
    switch (field.number) {
      case 1:
        model.ir_version = field.number_value();
        break;
      case 2:
        model.producer = field.text();
        break;
      case 3:
        model.producer_version = field.text();
        break;
      case 7:
        read_onnx_graph(field.bytes, model);
        break;
      case 8:
        model.operators = protobuf_fields(field.bytes).at(0).number_value();
        break;
      case 14:
        model.metadata.insert(read_onnx_entry(field.bytes));
        break;
      default:
        unknown_field("ModelProto", field);
    }
  }
  return model;
}

}  // namespace msn::test
