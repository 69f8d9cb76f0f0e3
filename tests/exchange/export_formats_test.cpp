// SPDX-License-Identifier: Apache-2.0
#include "exchange/export_formats.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.hpp"
#include "exchange/model_json.hpp"
#include "exchange/onnx_reader.hpp"
#include "exchange/tensor_files.hpp"
#include "exchange/weights_config.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"
#include "support/vit_tensors.hpp"

namespace msn {
namespace {

/// A network with head, statistics and prototypes, on pixels of its own.
ExportedModel model() {
  VitSizes sizes = test::tiny_sizes();
  sizes.head_hidden = 6;
  sizes.head_out = 5;
  sizes.prototypes = 4;
  ExportedModel model;
  model.config =
      parse_config("", "test",
                   {"model.width=8", "model.depth=2", "model.heads=2", "model.patch_size=4", "model.image_size=12",
                    "model.head_hidden=6", "model.head_out=5", "model.prototypes=4", "views.random_size=12",
                    "views.focal_size=4", "views.mean=[0.25, 0.5, 0.125]", "views.interpolation=bicubic"});
  model.source = "step-00000020";
  model.dtype = "F32";
  model.tensors = test::numbered_vit(sizes);
  model.tensors.push_back(test::numbered("fc.bn1.running_mean", {6}, 3));
  TrainingFacts training;
  training.step = 20;
  training.epoch = 3;
  training.samples_seen = 1280;
  training.metrics = {{"loss", 1.5}};
  model.training = training;
  return model;
}

std::set<std::string> files_of(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.insert(entry.path().filename());
  return names;
}

/// The tensors of the folder are those of `wanted`, under their official names.
void expect_tensors(const std::filesystem::path& folder, const std::vector<NamedTensor>& wanted,
                    Network network = Network::target) {
  const VitTensors got = to_official_names(open_tensor_files(folder), folder.string(), network);
  EXPECT_EQ(got.tensors.size(), wanted.size());
  for (const NamedTensor& tensor : wanted) {
    const NamedTensor* found = got.find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape);
    EXPECT_EQ(found->read(), tensor.read()) << tensor.name;
  }
}

std::vector<NamedTensor> trunk_of(std::vector<NamedTensor> tensors) {
  std::erase_if(
      tensors, [](const NamedTensor& tensor) { return tensor.name == "prototypes" || tensor.name.starts_with("fc."); });
  return tensors;
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

nlohmann::json json_of(const std::filesystem::path& file) {
  return nlohmann::json::parse(read_text(file));
}

/// "__metadata__" of a file.
nlohmann::json metadata_of(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  const std::size_t length = static_cast<unsigned char>(text[0]) + 256u * static_cast<unsigned char>(text[1]);
  return nlohmann::json::parse(text.substr(8, length))["__metadata__"];
}

TEST(ExportFormats, OfHuggingFace) {
  const test::TempDir dir;
  write_hugging_face(model(), dir.path());
  EXPECT_EQ(files_of(dir.path()),
            (std::set<std::string>{"README.md", "config.json", "model.safetensors", "preprocessor_config.json"}));
  expect_tensors(dir.path(), trunk_of(model().tensors));
  EXPECT_EQ(metadata_of(dir / "model.safetensors"), (nlohmann::json{{"format", "pt"}}));
  // As transformers 5.24 writes it for the golden network, but for sizes and its own version.
  nlohmann::json golden = json_of(test::golden("vit_tiny/transformers/config.json"));
  golden.erase("transformers_version");
  golden.update({{"hidden_size", 8},
                 {"intermediate_size", 32},
                 {"image_size", 12},
                 {"num_attention_heads", 2},
                 {"num_hidden_layers", 2}});
  EXPECT_EQ(json_of(dir / "config.json"), golden);
  const nlohmann::json preprocessor = json_of(dir / "preprocessor_config.json");
  EXPECT_EQ(preprocessor["image_mean"], (nlohmann::json{0.25, 0.5, 0.125}));
  EXPECT_EQ(preprocessor["resample"], 3);
  EXPECT_EQ(preprocessor["size"], (nlohmann::json{{"height", 12}, {"width", 12}}));
  const Config read_back = weights_config(dir.path(), test::tiny_sizes()).config;
  EXPECT_EQ(read_back.views.mean, model().config.views.mean);
  EXPECT_EQ(read_back.views.interpolation, Interpolation::bicubic);
  EXPECT_EQ(read_back.model.heads, 2);
  ExportedModel half = model();
  half.dtype = "BF16";
  write_hugging_face(half, dir.path());
  EXPECT_EQ(json_of(dir / "config.json")["dtype"], "bfloat16");
}

TEST(ExportFormats, OfTimm) {
  const test::TempDir dir;
  write_timm(model(), dir.path());
  EXPECT_EQ(files_of(dir.path()), (std::set<std::string>{"README.md", "config.json", "model.safetensors"}));
  expect_tensors(dir.path(), trunk_of(model().tensors));
  for (const NamedTensor& tensor : open_tensor_files(dir.path()))
    EXPECT_FALSE(tensor.name.starts_with("target_encoder")) << tensor.name;
  const nlohmann::json config = json_of(dir / "config.json");
  EXPECT_EQ(config["num_classes"], 0);
  EXPECT_EQ(config["pretrained_cfg"]["mean"], (nlohmann::json{0.25, 0.5, 0.125}));
  EXPECT_EQ(config["pretrained_cfg"]["input_size"], (nlohmann::json{3, 12, 12}));
  const ModelJson read_back = read_model_json(dir.path());
  EXPECT_EQ(read_back.heads, 2);
  EXPECT_EQ(read_back.image_size, 12);
  EXPECT_EQ(read_back.interpolation, Interpolation::bicubic);
}

TEST(ExportFormats, OfTheOfficialCode) {
  const test::TempDir dir;
  write_official(model(), dir.path());
  EXPECT_EQ(files_of(dir.path()), (std::set<std::string>{"README.md", "config.toml", "model.safetensors"}));
  expect_tensors(dir.path(), model().tensors);
  EXPECT_EQ(metadata_of(dir / "model.safetensors"), (nlohmann::json{{"epoch", "3"}, {"format", "pt"}, {"step", "20"}}));
  EXPECT_EQ(load_config(dir / "config.toml"), model().config);
  for (const NamedTensor& tensor : open_tensor_files(dir.path()))
    EXPECT_TRUE(tensor.name == "prototypes" || tensor.name.starts_with("target_encoder.")) << tensor.name;
  ExportedModel online = model();
  online.network = Network::online;
  online.training.reset();
  write_official(online, dir.path());
  expect_tensors(dir.path(), online.tensors, Network::online);
  EXPECT_EQ(metadata_of(dir / "model.safetensors"), (nlohmann::json{{"format", "pt"}}));
}

TEST(ExportFormats, OfOnnx) {
  const test::TempDir dir;
  write_onnx_folder(model(), dir.path());
  EXPECT_EQ(files_of(dir.path()), (std::set<std::string>{"README.md", "model.onnx"}));
  const test::OnnxReadModel onnx = test::read_onnx(read_text(dir / "model.onnx"));
  EXPECT_EQ(onnx.metadata, (std::map<std::string, std::string>{{"image_size", "12"},
                                                               {"interpolation", "bicubic"},
                                                               {"mean", "[0.25,0.5,0.125]"},
                                                               {"network", "target"},
                                                               {"std", "[0.229,0.224,0.225]"},
                                                               {"step", "20"}}));
  EXPECT_FALSE(onnx.producer_version.empty());
  ASSERT_EQ(onnx.inputs.size(), 1u);
  EXPECT_EQ(onnx.inputs[0].shape, (std::vector<std::string>{"batch", "3", "12", "12"}));
  std::size_t weights = 0, constants = 0;
  const std::vector<NamedTensor> trunk = trunk_of(model().tensors);
  for (const test::OnnxReadTensor& tensor : onnx.initializers) {
    const auto wanted =
        std::find_if(trunk.begin(), trunk.end(), [&](const auto& one) { return one.name == tensor.name; });
    if (tensor.name == "as_heads") {  // 2 heads of 4 values for each of 10 tokens.
      constexpr std::array<std::int64_t, 4> heads{-1, 10, 2, 4};
      EXPECT_EQ(tensor.raw, std::string(reinterpret_cast<const char*>(heads.data()), sizeof heads));
      ++constants;
    }
    if (wanted == trunk.end()) continue;
    ++weights;
    EXPECT_EQ(tensor.shape, wanted->shape) << tensor.name;
    EXPECT_EQ(tensor.raw, text_of(wanted->read())) << tensor.name;
  }
  EXPECT_EQ(weights, trunk.size());
  EXPECT_EQ(constants, 1u);
  for (const test::OnnxReadNode& node : onnx.nodes) {
    if (node.op == "LayerNormalization") {
      EXPECT_EQ(node.attributes.at("epsilon").f, 1e-6f) << node.name;
    }
  }

  const test::TempDir other;
  ExportedModel online = model();
  online.network = Network::online;
  online.training.reset();
  write_onnx_folder(online, other.path());
  const test::OnnxReadModel second = test::read_onnx(read_text(other / "model.onnx"));
  EXPECT_EQ(second.metadata.at("network"), "online");
  EXPECT_FALSE(second.metadata.contains("step"));
}

TEST(ExportFormats, OfOnnxAreFloat32) {
  const test::TempDir dir;
  ExportedModel half = model();
  half.dtype = "BF16";
  for (NamedTensor& tensor : half.tensors)
    tensor.dtype = "BF16";
  const std::string refusal = test::refusal([&] { write_onnx_folder(half, dir.path()); }, ExitCode::config);
  EXPECT_NE(refusal.find("--dtype bf16"), std::string::npos) << refusal;
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(ExportFormats, HaveAModelCardWithConfigurationAndMetrics) {
  for (const ExportFormat& format : export_formats()) {
    const test::TempDir dir;
    format.write(model(), dir.path());
    const std::string card = read_text(dir / "README.md");
    EXPECT_EQ(card.find("---\nlibrary_name: "), 0u) << format.name;
    for (const char* text : {"| width, depth, heads | 8, 2, 2 |", "| images | 12 x 12 pixels, patches of 4 |",
                             "| steps | 20 |", "| images seen | 1280 |", "| `loss` of the last step | 1.5 |",
                             "(0.25, 0.5, 0.125)", "    [model]\n    arch = \"custom\"\n"})
      EXPECT_NE(card.find(text), std::string::npos) << format.name << ": " << text << "\n" << card;
  }
}

TEST(ExportFormats, HaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const ExportFormat& format : export_formats())
    EXPECT_TRUE(names.insert(format.name).second);
  EXPECT_TRUE(names.contains("hf") && names.contains("timm") && names.contains("official") && names.contains("onnx"));
}

}  // namespace
}  // namespace msn
