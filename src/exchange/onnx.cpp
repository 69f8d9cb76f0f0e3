// SPDX-License-Identifier: Apache-2.0
#include "exchange/onnx.hpp"

#include <algorithm>
#include <string_view>

#include "base/error.hpp"
#include "base/new_file.hpp"
#include "exchange/onnx_encoder.hpp"
#include "exchange/onnx_graph.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

// Fields of ModelProto, GraphProto and OperatorSetIdProto in onnx.proto.
constexpr std::uint32_t kIrVersion = 1, kProducerName = 2, kProducerVersion = 3, kGraph = 7, kOpsetImport = 8,
                        kMetadata = 14;
constexpr std::uint32_t kGraphName = 2, kOpsetVersion = 2;
constexpr std::int64_t kExternal = 1;  ///< TensorProto.data_location

/// Where a tensor may begin in FILE.data to be mapped into memory on every system (ONNX's docs/IR.md).
constexpr std::uint64_t kAlignment = 65536;

/// A tensor that the graph takes, and how many bytes it has.
struct Weight {
  const NamedTensor* tensor;
  std::uint64_t bytes;

  std::vector<std::byte> read() const {
    std::vector<std::byte> values = tensor->read();
    if (values.size() != bytes) throw internal_error("the tensor has not the bytes of its shape", tensor->name);
    return values;
  }
};

/// What the graph takes of `tensors`, in the graph's order.
std::vector<Weight> choose_weights(const OnnxGraph& graph, std::span<const NamedTensor> tensors) {
  std::vector<Weight> weights;
  for (const OnnxGraph::Weight& wanted : graph.weights()) {
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& t) { return t.name == wanted.name; });
    if (found == tensors.end()) throw internal_error("no tensor of this name", wanted.name);
    if (found->shape != wanted.shape || found->dtype != "F32")
      throw internal_error("the tensor is not float32 of the encoder's shape", wanted.name);
    std::uint64_t bytes = sizeof(float);
    for (const std::int64_t size : wanted.shape)
      bytes *= static_cast<std::uint64_t>(size);
    weights.push_back({&*found, bytes});
  }
  return weights;
}

/// The model up to its graph.
ProtobufMessage model_start(const OnnxFacts& facts) {
  ProtobufMessage model, operators;
  model.add_integer(kIrVersion, kOnnxIrVersion);
  model.add_bytes(kProducerName, "msn");
  model.add_bytes(kProducerVersion, facts.producer_version);
  operators.add_integer(kOpsetVersion, kOnnxOperators);
  model.add_message(kOpsetImport, operators);
  for (const auto& [key, value] : facts.metadata)
    model.add_message(kMetadata, onnx_entry(key, value));
  return model;
}

/// The bytes of a weight that stand before its values in a model that holds them.
std::string weight_start(const Weight& weight) {
  ProtobufMessage tensor = onnx_float_tensor(weight.tensor->name, weight.tensor->shape);
  tensor.add_size(kOnnxTensorRawData, weight.bytes);
  ProtobufMessage start;
  start.add_size(kOnnxGraphInitializer, tensor.bytes().size() + weight.bytes);
  return start.bytes() + tensor.bytes();
}

/// A weight whose values lie in another file.
ProtobufMessage weight_elsewhere(const Weight& weight, std::string_view location, std::uint64_t offset) {
  ProtobufMessage tensor = onnx_float_tensor(weight.tensor->name, weight.tensor->shape);
  tensor.add_message(kOnnxTensorExternalData, onnx_entry("location", location));
  tensor.add_message(kOnnxTensorExternalData, onnx_entry("offset", std::to_string(offset)));
  tensor.add_message(kOnnxTensorExternalData, onnx_entry("length", std::to_string(weight.bytes)));
  tensor.add_integer(kOnnxTensorDataLocation, kExternal);
  return tensor;
}

/// One file. Sizes stand before what they are the sizes of, so all of them are known before the first value is written.
void write_whole(const fs::path& file, ProtobufMessage model, const std::string& graph,
                 std::span<const Weight> weights) {
  std::vector<std::string> starts;
  std::uint64_t size = graph.size();
  for (const Weight& weight : weights) {
    starts.push_back(weight_start(weight));
    size += starts.back().size() + weight.bytes;
  }
  model.add_size(kGraph, size);
  NewFile out(file);
  out.append(model.bytes());
  out.append(graph);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    out.append(starts[i]);
    out.append(weights[i].read());
  }
  out.finish();
}

/// FILE.data, then the model that names it.
void write_in_two(const fs::path& file, ProtobufMessage model, const std::string& graph,
                  std::span<const Weight> weights) {
  fs::path data = file;
  data += ".data";
  NewFile values(data);
  ProtobufMessage initializers;
  std::uint64_t offset = 0;
  for (const Weight& weight : weights) {
    values.skip_to(offset);
    values.append(weight.read());
    initializers.add_message(kOnnxGraphInitializer, weight_elsewhere(weight, data.filename().string(), offset));
    offset = (offset + weight.bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  model.add_bytes(kGraph, graph + initializers.bytes());
  NewFile out(file);
  out.append(model.bytes());
  values.finish();
  out.finish();
}

}  // namespace

void write_onnx(const fs::path& file, const OnnxEncoder& encoder, std::span<const NamedTensor> tensors,
                const OnnxFacts& facts, std::uint64_t inline_limit) {
  const OnnxGraph graph = onnx_encoder_graph(encoder);
  const std::vector<Weight> weights = choose_weights(graph, tensors);
  std::uint64_t bytes = 0;
  for (const Weight& weight : weights)
    bytes += weight.bytes;
  ProtobufMessage name;
  name.add_bytes(kGraphName, "encoder");
  const auto write = bytes <= inline_limit ? write_whole : write_in_two;
  write(file, model_start(facts), name.bytes() + graph.bytes(), weights);
}

}  // namespace msn
