// SPDX-License-Identifier: Apache-2.0
// Weights of other programs in our network, and ours on their way out.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "checkpoint/checkpoint.hpp"
#include "evaluate/encoder.hpp"
#include "evaluate/export_model.hpp"
#include "exchange/export_formats.hpp"
#include "exchange/safetensors_writer.hpp"
#include "exchange/tensor_files.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"
#include "support/vit_tensors.hpp"
#include "train/state.hpp"
#include "train/weight_source.hpp"

namespace msn {
namespace {

at::Tensor read(const h5::File& file, const std::string& name) {
  std::vector<double> values = file.read<double>(name);
  std::vector<std::int64_t> shape;
  for (const auto extent : file.facts(name).shape)
    shape.push_back(static_cast<std::int64_t>(extent));
  return at::from_blob(values.data(), shape, at::kDouble).clone();
}

/// The golden network's tensors under their official names.
std::vector<NamedTensor> golden_tensors(const h5::File& file) {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file.list("state")) {
    std::vector<std::int64_t> shape;
    for (const auto extent : file.facts("state/" + name).shape)
      shape.push_back(static_cast<std::int64_t>(extent));
    tensors.push_back(test::tensor_of(name, shape, file.read<float>("state/" + name)));
  }
  return tensors;
}

/// Class tokens after the final norm of the golden images, as transformers and timm have them.
void expect_golden(const Encoder& encoder, const h5::File& file) {
  const at::Tensor got = encoder.features(read(file, "pixel_values").to(at::kFloat)).to(at::kDouble);
  const at::Tensor want = read(file, "last_hidden_state").select(1, 0);
  EXPECT_LT((got - want).abs().max().item<double>(), 1e-5);
}

TEST(Weights, OfTransformersGiveItsOutputs) {
  const h5::File file(test::golden("vit_tiny/official.h5"), h5::Mode::read);
  const Encoder encoder = Encoder::from_weights(test::world(), test::golden("vit_tiny/transformers"));
  expect_golden(encoder, file);
  EXPECT_EQ(encoder.config().model.heads, 3);
  // The same by the name of the file; config.json lies beside it.
  expect_golden(Encoder::from_weights(test::world(), test::golden("vit_tiny/transformers/model.safetensors")), file);
}

TEST(Weights, OfEveryExportedFormGiveTheSameOutputs) {
  const h5::File file(test::golden("vit_tiny/official.h5"), h5::Mode::read);
  const test::TempDir dir;  // Every rank writes its own copy.
  const ModelToExport imported =
      model_to_export(test::golden("vit_tiny/transformers"), Network::target, ExportType::as_stored);
  EXPECT_EQ(imported.model.tensors.size(), golden_tensors(file).size());
  for (const NamedTensor& tensor : golden_tensors(file)) {
    for (const NamedTensor& got : imported.model.tensors) {
      if (got.name == tensor.name) {
        EXPECT_EQ(got.read(), tensor.read()) << tensor.name;
      }
    }
  }
  for (const ExportFormat& format : export_formats()) {
    const std::filesystem::path folder = dir / std::string(format.name);
    std::filesystem::create_directory(folder);
    format.write(imported.model, folder);
    if (!holds_tensor_files(folder)) continue;  // Not every form is one of tensors.
    expect_golden(Encoder::from_weights(test::world(), folder), file);
    // And back: each form holds all that there is of this network, which has no head.
    const VitTensors again = open_weights(folder).vit;
    EXPECT_EQ(again.tensors.size(), imported.model.tensors.size()) << format.name;
    for (const NamedTensor& tensor : imported.model.tensors) {
      ASSERT_NE(again.find(tensor.name), nullptr) << tensor.name;
      EXPECT_EQ(again.find(tensor.name)->read(), tensor.read()) << format.name << " " << tensor.name;
    }
  }
}

TEST(Weights, HaveTheNamesAndShapesOfOurNetworks) {
  VitSizes sizes = test::tiny_sizes();
  sizes.head_hidden = 6;
  sizes.head_out = 5;
  VitShape shape;
  shape.width = sizes.width;
  shape.depth = sizes.depth;
  shape.patch = sizes.patch;
  shape.grid = sizes.grid;
  shape.head_hidden = sizes.head_hidden;
  shape.head_out = sizes.head_out;
  const auto theirs = vit_shapes(sizes);
  const std::vector<NamedShape> ours = encoder_tensors(shape);
  ASSERT_EQ(theirs.size(), ours.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(theirs[i].first, ours[i].name);
    EXPECT_EQ(theirs[i].second, ours[i].shape) << ours[i].name;
  }
}

Config tiny_config() {
  return parse_config("", "test",
                      {"model.width=8", "model.depth=2", "model.heads=2", "model.patch_size=4", "model.image_size=12",
                       "model.head_hidden=6", "model.head_out=5", "model.prototypes=4", "views.random_size=12",
                       "views.focal_size=4", "data.path=/somewhere/private/photos"});
}

class CheckpointToExport : public testing::Test {
 protected:
  /// One rank writes: World::alone() on every rank.
  std::filesystem::path write(TrainState& state) const {
    CheckpointFacts facts;
    facts.step = 20;
    facts.epoch = 3;
    facts.config_toml = to_toml(tiny_config());
    write_checkpoint(World::alone(), dir_.path(), facts, state_tensors(state), 1);
    return dir_ / "checkpoints/step-00000020";
  }

  static TrainState drawn() {
    TrainState state(vit_shape(tiny_config().model), 4, at::kFloat);
    state.initialise(1);
    state.target.values().mul_(2);  // Unlike the online network, as after training.
    state.target_buffers.bn2.batches = 7;
    return state;
  }

  static const NamedTensor& find(const ExportedModel& model, const std::string& name) {
    for (const NamedTensor& tensor : model.tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }

  static std::vector<std::byte> bytes_of(const at::Tensor& tensor) {
    const at::Tensor whole = tensor.contiguous();
    const auto* begin = static_cast<const std::byte*>(whole.const_data_ptr());
    return {begin, begin + whole.nbytes()};
  }

  test::TempDir dir_;
};

TEST_F(CheckpointToExport, GivesEitherNetworkWithPrototypesAndStatistics) {
  TrainState state = drawn();
  const auto checkpoint = write(state);
  std::ofstream(dir_ / "metrics.jsonl") << "{\"step\":19,\"loss\":9.0}\n{\"step\":20,\"loss\":1.5,\"lr\":0.1}\n"
                                           "{\"step\":21,\"loss\":8.0}\n";
  for (const Network network : {Network::target, Network::online}) {
    const Parameters& wanted = network == Network::target ? state.target : state.online;
    const ExportedModel model = model_to_export(checkpoint, network, ExportType::fp32).model;
    // Trunk and head, prototypes, three statistics of two norms.
    EXPECT_EQ(model.tensors.size(), state.target.segments().size() + 1 + 6);
    for (const Segment& segment : state.target.segments())
      EXPECT_EQ(find(model, segment.name).read(), bytes_of(wanted.value(segment.name))) << segment.name;
    EXPECT_EQ(find(model, "prototypes").read(), bytes_of(state.online.value("prototypes")));
    EXPECT_EQ(find(model, "fc.bn2.num_batches_tracked").dtype, "I64");
    EXPECT_EQ(find(model, "fc.bn2.num_batches_tracked").read()[0],
              static_cast<std::byte>(network == Network::target ? 7 : 0));
    ASSERT_TRUE(model.training);
    EXPECT_EQ(model.training->epoch, 3u);
    EXPECT_EQ(model.training->metrics, (std::vector<std::pair<std::string, double>>{{"loss", 1.5}}));
    EXPECT_EQ(model.source, "step-00000020");
    EXPECT_EQ(model.config.data.path, "photos");
  }
}

TEST_F(CheckpointToExport, RoundsToBfloat16) {
  TrainState state = drawn();
  const ExportedModel model = model_to_export(write(state), Network::target, ExportType::bf16).model;
  EXPECT_EQ(find(model, "norm.weight").dtype, "BF16");
  EXPECT_EQ(find(model, "blocks.0.attn.qkv.weight").read(),
            bytes_of(state.target.value("blocks.0.attn.qkv.weight").to(at::kBFloat16)));
  EXPECT_EQ(find(model, "fc.bn2.num_batches_tracked").dtype, "I64");
}

TEST_F(CheckpointToExport, IsRefusedIfAValueIsNotFinite) {
  TrainState state = drawn();
  state.target.value("blocks.1.norm2.bias")[3] = std::numeric_limits<float>::quiet_NaN();
  // Finite, but no bfloat16.
  state.target.value("norm.bias")[0] = std::numeric_limits<float>::max();
  const auto checkpoint = write(state);
  const auto expect_refused = [&](ExportType type, const std::string& name, const std::string& problem) {
    const ExportedModel model = model_to_export(checkpoint, Network::target, type).model;
    try {
      find(model, name).read();
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::numerics);
      EXPECT_NE(error.problem().find(problem), std::string::npos) << error.what();
      EXPECT_EQ(error.where(), checkpoint.string() + ":target." + name);
    }
  };
  for (const ExportType type : {ExportType::fp32, ExportType::bf16, ExportType::as_stored})
    expect_refused(type, "blocks.1.norm2.bias", "not finite");
  expect_refused(ExportType::bf16, "norm.bias", "too large for its new type");
  find(model_to_export(checkpoint, Network::target, ExportType::fp32).model, "norm.bias").read();
}

TEST(Weights, MayLieInSeveralFiles) {
  const h5::File file(test::golden("vit_tiny/official.h5"), h5::Mode::read);
  const test::TempDir dir;
  const std::vector<NamedTensor> tensors = to_hugging_face_names(golden_tensors(file));
  std::string map;
  const std::size_t half = tensors.size() / 2;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    map += (i > 0 ? ", \"" : "\"") + tensors[i].name + "\": \"model-" + (i < half ? "1" : "2") + ".safetensors\"";
  write_safetensors(dir / "model-1.safetensors", std::span(tensors).first(half), {});
  write_safetensors(dir / "model-2.safetensors", std::span(tensors).subspan(half), {});
  std::ofstream(dir / std::string(kIndexFile)) << R"({"weight_map": {)" << map << "}}";
  std::ofstream(dir / "config.json") << R"({"num_attention_heads": 3})";
  expect_golden(Encoder::from_weights(test::world(), dir.path()), file);
}

TEST(Weights, AreRefusedByAllRanks) {
  const test::TempDir dir;
  auto tensors = test::numbered_vit(test::tiny_sizes());
  const auto refused = [&](const std::vector<NamedTensor>& bad) -> std::optional<Error> {
    write_safetensors(dir / "model.safetensors", bad, {});
    std::ofstream(dir / "config.json") << R"({"num_attention_heads": 2})";
    try {
      Encoder::from_weights(test::world(), dir.path());
    } catch (const AgreedError& error) {
      return error;
    }
    return std::nullopt;
  };
  EXPECT_FALSE(refused(tensors));
  std::vector<NamedTensor> bad = tensors;
  bad.pop_back();
  auto error = refused(bad);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ExitCode::config);
  bad = tensors;
  bad.back().read = [] {
    const float values[8] = {std::numeric_limits<float>::infinity()};
    std::vector<std::byte> bytes(sizeof values);
    std::memcpy(bytes.data(), values, sizeof values);
    return bytes;
  };
  error = refused(bad);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ExitCode::numerics);
  EXPECT_NE(error->where().find("model.safetensors:norm.bias"), std::string::npos) << error->what();
}

}  // namespace
}  // namespace msn
