// SPDX-License-Identifier: Apache-2.0
// What is written, read back by a reader of the test's own. That onnxruntime computes the features of msn with it is
// shown in tests/interop.
#include "exchange/onnx.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "exchange/onnx_reader.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr OnnxEncoder kEncoder{
    .width = 12, .depth = 2, .heads = 3, .mlp = 40, .patch = 4, .image = 22, .layer_norm_eps = 1e-6};
constexpr std::int64_t kTokens = 26;  // 22 pixels hold 5 patches of 4.

/// The weights of kEncoder and two of a head, each with values of its own.
std::vector<NamedTensor> weights() {
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& name, const Shape& shape) {
    std::size_t count = 1;
    for (const std::int64_t size : shape)
      count *= static_cast<std::size_t>(size);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i)
      values[i] = static_cast<float>(tensors.size()) + static_cast<float>(i) / 1024;
    const auto bytes = std::as_bytes(std::span(values));
    tensors.push_back({name, "F32", shape, [copy = std::vector(bytes.begin(), bytes.end())] { return copy; }});
  };
  const auto add_pair = [&](const std::string& name, const Shape& weight) {
    add(name + ".weight", weight);
    add(name + ".bias", {weight[0]});
  };
  add("fc.fc1.weight", {7, 12});
  add("cls_token", {1, 1, 12});
  add("pos_embed", {1, kTokens, 12});
  add("patch_embed.proj.weight", {12, 3, 4, 4});
  add("patch_embed.proj.bias", {12});
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    add_pair(block + "norm1", {12});
    add_pair(block + "attn.qkv", {36, 12});
    add_pair(block + "attn.proj", {12, 12});
    add_pair(block + "norm2", {12});
    add_pair(block + "mlp.fc1", {40, 12});
    add_pair(block + "mlp.fc2", {12, 40});
  }
  add_pair("norm", {12});
  add("fc.fc1.bias", {7});
  return tensors;
}

const OnnxFacts kFacts{"1.2.3", {{"image_size", "22"}, {"mean", "[0.5, 0.5, 0.5]"}}};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint64_t bytes_of_encoder() {
  std::uint64_t bytes = 0;
  for (const NamedTensor& weight : weights())
    bytes += weight.name.starts_with("fc.") ? 0 : weight.read().size();
  return bytes;
}

bool is_weight(const test::OnnxReadTensor& tensor) {
  return tensor.name.find('.') != std::string::npos || tensor.name == "cls_token" || tensor.name == "pos_embed";
}

/// What the graph keeps under the names of weights are the encoder's, each once.
void expect_weights(const test::OnnxReadModel& model,
                    const std::function<std::string(const test::OnnxReadTensor&)>& values) {
  std::map<std::string, const test::OnnxReadTensor*> found;
  for (const test::OnnxReadTensor& tensor : model.initializers) {
    if (!is_weight(tensor)) continue;
    EXPECT_TRUE(found.emplace(tensor.name, &tensor).second) << tensor.name;
  }
  std::size_t expected = 0;
  for (const NamedTensor& weight : weights()) {
    if (weight.name.starts_with("fc.")) continue;
    ++expected;
    ASSERT_TRUE(found.contains(weight.name)) << weight.name;
    const test::OnnxReadTensor& tensor = *found[weight.name];
    EXPECT_EQ(tensor.type, 1) << weight.name;
    EXPECT_EQ(tensor.shape, weight.shape) << weight.name;
    EXPECT_EQ(values(tensor), text_of(weight.read())) << weight.name;
  }
  EXPECT_EQ(found.size(), expected);
}

TEST(Onnx, KeepsNamesShapesAndBytesOfWeights) {
  const test::TempDir dir;
  write_onnx(dir / "model.onnx", kEncoder, weights(), kFacts);
  const test::OnnxReadModel model = test::read_onnx(read_text(dir / "model.onnx"));
  expect_weights(model, [](const test::OnnxReadTensor& tensor) {
    EXPECT_EQ(tensor.location, 0);
    EXPECT_TRUE(tensor.external.empty());
    return tensor.raw;
  });
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(Onnx, SaysWhatItIs) {
  const test::TempDir dir;
  write_onnx(dir / "model.onnx", kEncoder, weights(), kFacts);
  const test::OnnxReadModel model = test::read_onnx(read_text(dir / "model.onnx"));
  EXPECT_EQ(model.ir_version, 8);
  EXPECT_EQ(model.operators, 17);
  EXPECT_EQ(model.producer, "msn");
  EXPECT_EQ(model.producer_version, "1.2.3");
  EXPECT_EQ(model.graph, "encoder");
  const std::map<std::string, std::string> metadata{{"image_size", "22"}, {"mean", "[0.5, 0.5, 0.5]"}};
  EXPECT_EQ(model.metadata, metadata);

  using Texts = std::vector<std::string>;
  ASSERT_EQ(model.inputs.size(), 1u);
  EXPECT_EQ(model.inputs[0].name, "pixel_values");
  EXPECT_EQ(model.inputs[0].shape, (Texts{"batch", "3", "22", "22"}));
  std::map<std::string, Texts> outputs;
  for (const test::OnnxReadValue& value : model.outputs) {
    EXPECT_EQ(value.type, 1) << value.name;
    outputs[value.name] = value.shape;
  }
  const std::map<std::string, Texts> expected{{"last_hidden_state", {"batch", "26", "12"}},
                                              {"cls", {"batch", "12"}},
                                              {"patches", {"batch", "25", "12"}},
                                              {"cls_before_norm", {"batch", "12"}}};
  EXPECT_EQ(outputs, expected);
}

TEST(Onnx, ComputesOnlyWithWhatIsThere) {
  const test::TempDir dir;
  write_onnx(dir / "model.onnx", kEncoder, weights(), kFacts);
  const test::OnnxReadModel model = test::read_onnx(read_text(dir / "model.onnx"));
  std::set<std::string> defined{model.inputs[0].name}, unused;
  for (const test::OnnxReadTensor& tensor : model.initializers) {
    EXPECT_TRUE(defined.insert(tensor.name).second) << tensor.name;
    unused.insert(tensor.name);
  }
  std::map<std::string, int> count;
  std::set<std::string> names;
  for (const test::OnnxReadNode& node : model.nodes) {
    ++count[node.op];
    EXPECT_TRUE(names.insert(node.name).second) << node.name;
    for (const std::string& input : node.inputs) {
      EXPECT_TRUE(defined.contains(input)) << node.name << " takes " << input;
      unused.erase(input);
    }
    for (const std::string& output : node.outputs) {
      EXPECT_TRUE(defined.insert(output).second) << output << " is made twice";
      unused.insert(output);
    }
  }
  for (const test::OnnxReadValue& value : model.outputs) {
    EXPECT_TRUE(defined.contains(value.name)) << value.name;
    unused.erase(value.name);
  }
  EXPECT_EQ(unused, std::set<std::string>{});

  constexpr int depth = 2;
  const std::map<std::string, int> expected{{"Conv", 1},
                                            {"Shape", 1},
                                            {"Expand", 1},
                                            {"Concat", 2},
                                            {"Gather", 2},
                                            {"Slice", 1},
                                            {"Gemm", 4 * depth},
                                            {"LayerNormalization", 2 * depth + 1},
                                            {"Split", depth},
                                            {"MatMul", 2 * depth},
                                            {"Softmax", depth},
                                            {"Erf", depth},
                                            {"Div", depth},
                                            {"Mul", 3 * depth},
                                            {"Add", 3 * depth + 1},
                                            {"Reshape", 3 + 4 * depth},
                                            {"Transpose", 1 + 4 * depth}};
  EXPECT_EQ(count, expected);
}

TEST(Onnx, HandsNodesTheNumbersOfTheEncoder) {
  const test::TempDir dir;
  OnnxEncoder encoder = kEncoder;
  encoder.layer_norm_eps = 0.125;
  write_onnx(dir / "model.onnx", encoder, weights(), kFacts);
  const test::OnnxReadModel model = test::read_onnx(read_text(dir / "model.onnx"));
  for (const test::OnnxReadNode& node : model.nodes) {
    if (node.op == "LayerNormalization") {
      EXPECT_EQ(node.attributes.at("epsilon").f, 0.125f) << node.name;
      EXPECT_EQ(node.attributes.at("epsilon").type, 1) << node.name;
    } else if (node.op == "Gemm") {
      EXPECT_EQ(node.attributes.at("transB").i, 1) << node.name;
      EXPECT_EQ(node.attributes.at("transB").type, 2) << node.name;
      EXPECT_EQ(node.inputs[1], node.name + ".weight");
      EXPECT_EQ(node.inputs[2], node.name + ".bias");
    } else if (node.op == "Conv") {
      EXPECT_EQ(node.attributes.at("strides").ints, (Shape{4, 4}));
      EXPECT_EQ(node.attributes.at("kernel_shape").ints, (Shape{4, 4}));
      EXPECT_EQ(node.attributes.at("strides").type, 7);
    }
  }
  std::map<std::string, std::string> constants;
  for (const test::OnnxReadTensor& tensor : model.initializers)
    constants[tensor.name] = tensor.raw;
  float scale = 0;
  ASSERT_EQ(constants.at("head_scale").size(), sizeof scale);
  std::memcpy(&scale, constants["head_scale"].data(), sizeof scale);
  EXPECT_EQ(scale, 0.5f);  // 1 / sqrt(12 / 3)
  Shape heads(4);
  ASSERT_EQ(constants.at("as_heads").size(), heads.size() * sizeof heads[0]);
  std::memcpy(heads.data(), constants["as_heads"].data(), constants["as_heads"].size());
  EXPECT_EQ(heads, (Shape{-1, kTokens, 3, 4}));
}

TEST(Onnx, PutsManyBytesIntoAFileOfTheirOwn) {
  const test::TempDir dir;
  write_onnx(dir / "model.onnx", kEncoder, weights(), kFacts, bytes_of_encoder() - 1);
  const std::string data = read_text(dir / "model.onnx.data");
  const test::OnnxReadModel model = test::read_onnx(read_text(dir / "model.onnx"));
  std::map<std::uint64_t, std::uint64_t> ranges;
  expect_weights(model, [&](const test::OnnxReadTensor& tensor) {
    EXPECT_EQ(tensor.location, 1) << tensor.name;
    EXPECT_FALSE(tensor.has_raw) << tensor.name;
    EXPECT_EQ(tensor.external.size(), 3u) << tensor.name;
    EXPECT_EQ(tensor.external.at("location"), "model.onnx.data");
    const std::uint64_t offset = std::stoull(tensor.external.at("offset"));
    const std::uint64_t length = std::stoull(tensor.external.at("length"));
    EXPECT_EQ(offset % 65536, 0u) << tensor.name;
    EXPECT_TRUE(ranges.emplace(offset, offset + length).second) << tensor.name;
    return data.substr(offset, length);
  });
  std::uint64_t end = 0;
  for (const auto& [begin, after] : ranges) {
    EXPECT_GE(begin, end);
    end = after;
  }
  EXPECT_EQ(end, data.size());
  // What is part of the graph stays there.
  for (const test::OnnxReadTensor& tensor : model.initializers)
    EXPECT_EQ(tensor.has_raw, !is_weight(tensor)) << tensor.name;

  // The limit itself is not too much. The nodes are the same either way.
  const test::TempDir other;
  write_onnx(other / "model.onnx", kEncoder, weights(), kFacts, bytes_of_encoder());
  EXPECT_FALSE(std::filesystem::exists(other / "model.onnx.data"));
  EXPECT_EQ(test::read_onnx(read_text(other / "model.onnx")).nodes.size(), model.nodes.size());
}

TEST(Onnx, WritesTheSameBytesAgain) {
  const test::TempDir dir;
  for (const std::uint64_t limit : {std::uint64_t{0}, kOnnxInlineLimit}) {
    write_onnx(dir / "model.onnx", kEncoder, weights(), kFacts, limit);
    const std::string first = read_text(dir / "model.onnx");
    std::vector<NamedTensor> turned = weights();
    std::reverse(turned.begin(), turned.end());
    write_onnx(dir / "model.onnx", kEncoder, turned, kFacts, limit);
    EXPECT_EQ(read_text(dir / "model.onnx"), first);
  }
}

TEST(Onnx, RefusesOtherWeights) {
  const test::TempDir dir;
  const auto refusal = [&](const OnnxEncoder& encoder, const std::vector<NamedTensor>& list) {
    return test::refusal([&] { write_onnx(dir / "model.onnx", encoder, list, kFacts); }, ExitCode::internal);
  };
  std::vector<NamedTensor> fewer = weights();
  std::erase_if(fewer, [](const NamedTensor& weight) { return weight.name == "blocks.1.attn.proj.bias"; });
  EXPECT_NE(refusal(kEncoder, fewer).find("blocks.1.attn.proj.bias"), std::string::npos);

  std::vector<NamedTensor> turned = weights();
  for (NamedTensor& weight : turned) {
    if (weight.name == "blocks.0.mlp.fc1.weight") std::swap(weight.shape[0], weight.shape[1]);
  }
  EXPECT_NE(refusal(kEncoder, turned).find("blocks.0.mlp.fc1.weight"), std::string::npos);

  std::vector<NamedTensor> shorter = weights();
  for (NamedTensor& weight : shorter) {
    if (weight.name == "norm.bias") weight.read = [] { return std::vector<std::byte>(47); };
  }
  EXPECT_NE(refusal(kEncoder, shorter).find("norm.bias"), std::string::npos);

  std::vector<NamedTensor> halved = weights();
  for (NamedTensor& weight : halved) {
    if (weight.name == "cls_token") weight.dtype = "BF16";
  }
  EXPECT_NE(refusal(kEncoder, halved).find("cls_token"), std::string::npos);

  OnnxEncoder deeper = kEncoder;
  deeper.depth = 3;
  EXPECT_NE(refusal(deeper, weights()).find("blocks.2.norm1.weight"), std::string::npos);
  OnnxEncoder uneven = kEncoder;
  uneven.heads = 5;
  EXPECT_NE(refusal(uneven, weights()).find("heads"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

/// No file of this process becomes longer than that.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(Onnx, LeavesNothingWhereItCannotWrite) {
  const test::TempDir dir;
  const auto write = [&](const std::string& name, std::uint64_t limit) {
    return test::refusal([&] { write_onnx(dir / name, kEncoder, weights(), kFacts, limit); });
  };
  EXPECT_NE(write("absent/model.onnx", kOnnxInlineLimit).find("absent/model.onnx"), std::string::npos);
  for (const std::uint64_t limit : {std::uint64_t{0}, kOnnxInlineLimit}) {
    const FileSizeLimit small(10000);
    EXPECT_NE(write("model.onnx", limit).find("model.onnx"), std::string::npos);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace msn
