// SPDX-License-Identifier: Apache-2.0
#include "train/initial_weights.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "checkpoint/checkpoint.hpp"
#include "exchange/vit_names.hpp"
#include "support/mpi.hpp"
#include "support/safetensors.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using test::SafetensorsTensor;

VitShape tiny_shape(std::int64_t grid = 2) {
  VitShape shape;
  shape.width = 8;
  shape.depth = 2;
  shape.heads = 2;
  shape.patch = 4;
  shape.grid = grid;
  shape.head_hidden = 8;
  shape.head_out = 4;
  return shape;
}

TrainState drawn(std::uint64_t seed, std::int64_t grid = 2, at::ScalarType type = at::kFloat) {
  TrainState state(tiny_shape(grid), 3, type);
  state.initialise(seed);
  return state;
}

std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  return {static_cast<const char*>(whole.const_data_ptr()), static_cast<std::size_t>(whole.nbytes())};
}

/// The tensors of a network as a file holds them, names after `prefix`.
std::vector<SafetensorsTensor> tensors_of(const Parameters& network, const std::string& prefix = "",
                                          at::ScalarType type = at::kFloat, const std::string& dtype = "F32") {
  std::vector<SafetensorsTensor> tensors;
  for (const Segment& segment : network.segments())
    tensors.push_back({prefix + segment.name, dtype, segment.shape, bytes_of(network.value(segment.name).to(type))});
  return tensors;
}

bool is_head(const SafetensorsTensor& tensor) {
  return tensor.name.rfind("fc.", 0) == 0;
}

bool contains(const std::vector<std::string>& notes, const std::string& text) {
  return std::any_of(notes.begin(), notes.end(),
                     [&](const std::string& n) { return n.find(text) != std::string::npos; });
}

class InitialWeights : public testing::Test {
 protected:
  std::vector<std::string> load(const std::vector<SafetensorsTensor>& tensors, TrainState& state) const {
    test::write_safetensors(file(), tensors);
    return load_initial_weights(file(), state);
  }

  /// The error of loading `tensors` into a state like drawn(2).
  std::optional<Error> refused(const std::vector<SafetensorsTensor>& tensors) const {
    TrainState state = drawn(2);
    try {
      load(tensors, state);
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }

  void expect_refused(const std::vector<SafetensorsTensor>& tensors, const std::string& problem,
                      const std::string& tensor, ExitCode code = ExitCode::config) const {
    const auto error = refused(tensors);
    ASSERT_TRUE(error) << problem;
    EXPECT_EQ(error->code(), code) << error->what();
    EXPECT_NE(error->problem().find(problem), std::string::npos) << error->what();
    EXPECT_EQ(error->where(), file().string() + ":" + tensor);
  }

  std::filesystem::path file() const { return dir_ / "weights.safetensors"; }

  test::TempDir dir_;
};

/// Both networks of `state` hold the encoder of `from`.
void expect_encoder(const TrainState& state, const TrainState& from) {
  EXPECT_TRUE(at::equal(state.target.values(), from.target.values()));
  EXPECT_TRUE(at::equal(state.online.values().narrow(0, 0, state.encoder_end()), from.target.values()));
}

TEST_F(InitialWeights, AreTakenFromEveryFormOfNames) {
  const TrainState from = drawn(1);
  const std::string prototypes = bytes_of(from.online.value("prototypes"));
  for (const char* prefix :
       {"", "module.", "target_encoder.", "encoder.", "target_encoder.module.", "encoder.module."}) {
    TrainState state = drawn(2);
    auto tensors = tensors_of(from.target, prefix);
    tensors.push_back({"prototypes", "F32", {3, 4}, prototypes});
    const auto notes = load(tensors, state);
    expect_encoder(state, from);
    EXPECT_TRUE(at::equal(state.online.values(), from.online.values())) << prefix;
    EXPECT_TRUE(contains(notes, "prototypes among them"));
    EXPECT_EQ(notes.size(), 1u);
    EXPECT_EQ(state.exp_avg.abs().max().item<double>(), 0);
  }
}

TEST_F(InitialWeights, AreTheTargetEncodersOfTwo) {
  const TrainState online = drawn(1), target = drawn(3);
  TrainState state = drawn(2);
  auto tensors = tensors_of(online.target, "encoder.");
  for (auto& tensor : tensors_of(target.target, "target_encoder."))
    tensors.push_back(tensor);
  EXPECT_TRUE(contains(load(tensors, state), "(target_encoder)"));
  expect_encoder(state, target);
}

TEST_F(InitialWeights, LeaveHeadAndPrototypesDrawnThatAreAbsent) {
  const TrainState from = drawn(1), fresh = drawn(2);
  TrainState state = drawn(2);
  auto tensors = tensors_of(from.target);
  std::erase_if(tensors, is_head);
  const auto notes = load(tensors, state);
  EXPECT_TRUE(contains(notes, "no projection head (fc.*): it is drawn"));
  EXPECT_TRUE(contains(notes, "prototypes are drawn"));
  for (const Segment& segment : state.online.segments()) {
    const bool loaded = segment.name.rfind("fc.", 0) != 0 && segment.name != "prototypes";
    EXPECT_TRUE(at::equal(state.online.value(segment.name), (loaded ? from : fresh).online.value(segment.name)))
        << segment.name;
  }
  EXPECT_TRUE(at::equal(state.target.values(), state.online.values().narrow(0, 0, state.encoder_end())));
}

TEST_F(InitialWeights, AreConvertedFromEveryFloatingType) {
  const TrainState from = drawn(1);
  const std::vector<std::pair<at::ScalarType, std::string>> types{
      {at::kFloat, "F32"}, {at::kDouble, "F64"}, {at::kHalf, "F16"}, {at::kBFloat16, "BF16"}};
  for (const auto& [type, dtype] : types) {
    for (const at::ScalarType model : {at::kFloat, at::kDouble}) {
      TrainState state = drawn(2, 2, model);
      load(tensors_of(from.target, "", type, dtype), state);
      for (const Segment& segment : state.target.segments()) {
        EXPECT_TRUE(at::equal(state.target.value(segment.name), from.target.value(segment.name).to(type).to(model)))
            << dtype << " " << segment.name;
      }
    }
  }
}

TEST_F(InitialWeights, ResamplePositionsAsTheOfficialInterpolation) {
  const h5::File golden(test::golden("interp.h5"), h5::Mode::read);
  for (const std::string& name : golden.list("/")) {
    const auto from = static_cast<std::int64_t>(std::stoi(name.substr(0, name.find('_'))));
    const auto to = static_cast<std::int64_t>(std::stoi(name.substr(name.find('_') + 1)));
    auto input = golden.read<double>(name + "/input");
    auto output = golden.read<double>(name + "/output_f64");
    const at::Tensor table = at::from_blob(input.data(), {1, 1 + from * from, 8}, at::kDouble);
    const at::Tensor want = at::from_blob(output.data(), {1, 1 + to * to, 8}, at::kDouble);
    auto tensors = tensors_of(drawn(1).target);
    for (SafetensorsTensor& tensor : tensors) {
      if (tensor.name == "pos_embed") tensor = {"pos_embed", "F64", {1, 1 + from * from, 8}, bytes_of(table)};
    }
    TrainState state = drawn(2, to, at::kDouble);
    const auto notes = load(tensors, state);
    const std::string sides = std::to_string(from) + " x " + std::to_string(from) + " resampled to " +
                              std::to_string(to) + " x " + std::to_string(to);
    EXPECT_EQ(contains(notes, "position table of " + sides), from != to) << name;
    EXPECT_LT((state.online.value("pos_embed") - want).abs().max().item<double>(), 1e-12) << name;
    EXPECT_TRUE(at::equal(state.target.value("pos_embed"), state.online.value("pos_embed")));
  }
}

TEST_F(InitialWeights, NameTheTensorThatDoesNotFit) {
  const TrainState from = drawn(1);
  const auto good = tensors_of(from.target);
  const auto changed = [&](const std::string& name, const std::function<void(SafetensorsTensor&)>& change) {
    auto tensors = good;
    for (SafetensorsTensor& tensor : tensors) {
      if (tensor.name == name) change(tensor);
    }
    return tensors;
  };
  const auto without = [&](const std::string& name) {
    auto tensors = good;
    std::erase_if(tensors, [&](const SafetensorsTensor& tensor) { return tensor.name == name; });
    return tensors;
  };
  const auto with = [&](SafetensorsTensor extra) {
    auto tensors = good;
    tensors.push_back(std::move(extra));
    return tensors;
  };
  const std::string four(16, '\0');
  ASSERT_FALSE(refused(good));
  expect_refused({}, "missing tensor", "cls_token");
  expect_refused(without("blocks.1.norm2.bias"), "missing tensor", "blocks.1.norm2.bias");
  expect_refused(without("fc.fc3.bias"), "missing tensor", "fc.fc3.bias");
  expect_refused(with({"dist_token", "F32", {4}, four}), "unexpected tensor", "dist_token");
  expect_refused(with({"blocks.2.norm1.bias", "F32", {4}, four}), "unexpected tensor", "blocks.2.norm1.bias");
  expect_refused(with({"encoder.norm.bias", "F32", {4}, four}), "unexpected tensor beside those of encoder",
                 "cls_token");
  expect_refused(with({"module.norm.bias", "F32", {4}, four}), "two tensors are norm.bias", "module.norm.bias");
  expect_refused(with({"prototypes", "F32", {1, 4}, four}), "has shape [1, 4] where the model has [3, 4]",
                 "prototypes");
  expect_refused(changed("norm.bias",
                         [](auto& t) {
                           t.shape = {8, 1};
                         }),
                 "has shape [8, 1] where the model has [8]", "norm.bias");
  expect_refused(changed("pos_embed",
                         [&](auto& t) {
                           t = {"pos_embed", "F32", {1, 6, 8}, std::string(192, '\0')};
                         }),
                 "has shape [1, 6, 8]", "pos_embed");
  expect_refused(changed("norm.bias", [](auto& t) { t.dtype = "I32"; }), "dtype I32 cannot", "norm.bias");
  expect_refused(changed("norm.bias", [](auto& t) { t.dtype = "X32"; }), "unknown dtype", "norm.bias");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_refused(changed("norm.bias", [&](auto& t) { t.bytes.replace(8, 4, reinterpret_cast<const char*>(&nan), 4); }),
                 "not finite", "norm.bias", ExitCode::numerics);
  expect_refused(changed("norm.bias", [](auto& t) { t.bytes.pop_back(); }), "bytes where its shape needs", "norm.bias",
                 ExitCode::data);
}

/// The tensors of the trunk under names of transformers.
std::vector<SafetensorsTensor> hugging_face(const TrainState& from, const std::string& prefix) {
  std::vector<NamedTensor> official;
  for (const SafetensorsTensor& tensor : tensors_of(from.target)) {
    const auto bytes = std::as_bytes(std::span(tensor.bytes));
    official.push_back({tensor.name, tensor.dtype, tensor.shape,
                        [copy = std::vector<std::byte>(bytes.begin(), bytes.end())] { return copy; }});
  }
  std::vector<SafetensorsTensor> renamed;
  for (const NamedTensor& tensor : to_hugging_face_names(official)) {
    const std::vector<std::byte> bytes = tensor.read();
    renamed.push_back({prefix + tensor.name, tensor.dtype, tensor.shape,
                       std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
  }
  return renamed;
}

TEST_F(InitialWeights, AreTakenFromTransformers) {
  const TrainState from = drawn(1);
  for (const char* prefix : {"", "vit."}) {
    TrainState state = drawn(2);
    auto tensors = hugging_face(from, prefix);
    tensors.push_back({"classifier.weight", "F32", {1}, std::string(4, '\0')});
    const auto notes = load(tensors, state);
    EXPECT_TRUE(contains(notes, "passing over what is no part of the network: classifier.weight"));
    EXPECT_TRUE(contains(notes, "no projection head"));
    for (const Segment& segment : state.target.segments()) {
      if (segment.name.starts_with("fc.")) continue;
      EXPECT_TRUE(at::equal(state.target.value(segment.name), from.target.value(segment.name))) << segment.name;
    }
  }
  auto tensors = hugging_face(from, "");
  std::erase_if(tensors, [](const SafetensorsTensor& tensor) { return tensor.name == "layernorm.bias"; });
  expect_refused(tensors, "missing tensor", "layernorm.bias");
}

TEST_F(InitialWeights, WantTheHeadsThatTheWeightsComeWith) {
  const auto tensors = tensors_of(drawn(1).target);
  std::ofstream(dir_ / "config.json") << R"({"num_attention_heads": 2})";
  ASSERT_FALSE(refused(tensors));
  std::ofstream(dir_ / "config.json") << R"({"num_attention_heads": 4})";
  const auto error = refused(tensors);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ExitCode::config);
  EXPECT_EQ(error->problem(), "the weights have 4 attention heads where the model has 2");
}

TEST_F(InitialWeights, PassOverAFilesBatchNormStatistics) {
  const TrainState from = drawn(1);
  TrainState state = drawn(2);
  auto tensors = tensors_of(from.target);
  tensors.push_back({"fc.bn1.running_mean", "F32", {8}, std::string(32, 'x')});
  tensors.push_back({"fc.bn1.num_batches_tracked", "I64", {}, std::string(8, '\1')});
  load(tensors, state);
  expect_encoder(state, from);
  EXPECT_EQ(state.online_buffers.bn1.running_mean.abs().max().item<double>(), 0);
  EXPECT_EQ(state.online_buffers.bn1.batches, 0);
}

TEST_F(InitialWeights, AreACheckpointsTargetNetworkAndOnlinePrototypes) {
  TrainState from = drawn(1);
  from.target.values().mul_(2);  // Unlike the online network, as after training; padding stays 0.
  from.exp_avg.fill_(3);
  from.target_buffers.bn2.running_var.fill_(5);
  from.target_buffers.bn2.batches = 7;
  CheckpointFacts facts;
  facts.step = 20;
  write_checkpoint(test::world(), dir_.path(), facts, state_tensors(from), 2);
  const std::filesystem::path folder = dir_ / "checkpoints/step-00000020";
  TrainState state = drawn(2);
  EXPECT_TRUE(contains(load_initial_weights(folder, state), "(target), prototypes among them"));
  expect_encoder(state, from);
  EXPECT_TRUE(at::equal(state.online.value("prototypes"), from.online.value("prototypes")));
  EXPECT_EQ(state.exp_avg.abs().max().item<double>(), 0);
  EXPECT_EQ(state.step, 0u);
  for (const HeadBuffers* head : {&state.online_buffers, &state.target_buffers}) {
    EXPECT_EQ(head->bn2.running_var[0].item<double>(), 5);
    EXPECT_EQ(head->bn2.batches, 7);
  }

  TrainState doubles = drawn(2, 4, at::kDouble);
  EXPECT_TRUE(contains(load_initial_weights(folder, doubles), "2 x 2 resampled to 4 x 4"));
  EXPECT_TRUE(at::equal(doubles.target.value("norm.weight"), from.target.value("norm.weight").to(at::kDouble)));

  std::filesystem::resize_file(folder / "state-00000-of-00001.h5", 100);
  try {
    load_initial_weights(folder, state);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
  }
}

TEST_F(InitialWeights, WantAFileOrACheckpoint) {
  TrainState state = drawn(2);
  for (const std::filesystem::path& path : {dir_ / "absent", dir_.path(), std::filesystem::path("/dev/null")}) {
    try {
      load_initial_weights(path, state);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      EXPECT_EQ(error.where(), path.string());
    }
  }
}

}  // namespace
}  // namespace msn
