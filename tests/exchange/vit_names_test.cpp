// SPDX-License-Identifier: Apache-2.0
#include "exchange/vit_names.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "support/vit_tensors.hpp"

namespace msn {
namespace {

using test::numbered;
using test::numbered_vit;
using test::renamed;
using test::tiny_sizes;

VitSizes with_head() {
  VitSizes sizes = tiny_sizes();
  sizes.head_hidden = 6;
  sizes.head_out = 5;
  sizes.prototypes = 4;
  return sizes;
}

std::vector<NamedTensor> prefixed(const std::vector<NamedTensor>& tensors, const std::string& prefix) {
  return renamed(tensors, [&](const std::string& name) { return prefix + name; });
}

void append(std::vector<NamedTensor>& to, const std::vector<NamedTensor>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// Every tensor of `wanted` is there, byte for byte, and no other.
void expect_same(const VitTensors& got, const std::vector<NamedTensor>& wanted) {
  EXPECT_EQ(got.tensors.size(), wanted.size());
  for (const NamedTensor& tensor : wanted) {
    const NamedTensor* found = got.find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
    EXPECT_EQ(found->dtype, tensor.dtype) << tensor.name;
    EXPECT_EQ(found->read(), tensor.read()) << tensor.name;
  }
}

TEST(VitNames, AreReadInEverySpelling) {
  const std::vector<NamedTensor> official = numbered_vit(tiny_sizes());
  const std::vector<NamedTensor> legacy = to_hugging_face_names(official);
  EXPECT_EQ(legacy.size(), official.size() + 2 * 2 * 2);  // Two more for each weight and bias of qkv.
  for (const std::string prefix : {"", "module.", "backbone.", "module.backbone."}) {
    const VitTensors got = to_official_names(prefixed(official, prefix), "file");
    EXPECT_EQ(got.names, VitNames::official);
    expect_same(got, official);
    EXPECT_EQ(measure_vit(got, "file"), tiny_sizes());
  }
  for (const std::string prefix : {"", "vit."}) {
    const VitTensors old_names = to_official_names(prefixed(legacy, prefix), "file");
    EXPECT_EQ(old_names.names, VitNames::hf_legacy);
    expect_same(old_names, official);
    EXPECT_EQ(measure_vit(old_names, "file"), tiny_sizes());
    const VitTensors new_names = to_official_names(prefixed(renamed(legacy, test::to_current_name), prefix), "file");
    EXPECT_EQ(new_names.names, VitNames::hf_current);
    expect_same(new_names, official);
    EXPECT_EQ(measure_vit(new_names, "file"), tiny_sizes());
  }
}

TEST(VitNames, OfHuggingFaceAreThePublishedOnes) {
  const std::vector<NamedTensor> legacy = to_hugging_face_names(numbered_vit(with_head()));
  std::vector<std::string> names;
  for (const NamedTensor& tensor : legacy) {
    if (tensor.name.find(".1.") == std::string::npos) names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const std::string layer = "encoder.layer.0.";
  std::vector<std::string> wanted{"embeddings.cls_token", "embeddings.position_embeddings"};
  for (const std::string& module :
       {std::string("embeddings.patch_embeddings.projection"), layer + "layernorm_before",
        layer + "attention.attention.query", layer + "attention.attention.key", layer + "attention.attention.value",
        layer + "attention.output.dense", layer + "layernorm_after", layer + "intermediate.dense",
        layer + "output.dense", std::string("layernorm")}) {
    wanted.push_back(module + ".bias");
    wanted.push_back(module + ".weight");
  }
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(names, wanted);
  const auto key = std::find_if(legacy.begin(), legacy.end(), [&](const NamedTensor& tensor) {
    return tensor.name == layer + "attention.attention.key.weight";
  });
  ASSERT_NE(key, legacy.end());
  EXPECT_EQ(key->shape, (std::vector<std::int64_t>{8, 8}));
}

TEST(VitNames, OfQueriesKeysAndValuesMayBeApartInOfficialOnes) {
  const std::vector<NamedTensor> official = numbered_vit(tiny_sizes());
  for (const std::string end : {"", "_proj"}) {
    // What is legacy spelling's split, under official names.
    std::vector<NamedTensor> split;
    for (const NamedTensor& tensor : official) {
      if (tensor.name.find("attn.qkv") == std::string::npos) split.push_back(tensor);
    }
    for (NamedTensor tensor : to_hugging_face_names(official)) {
      const std::size_t at = tensor.name.find("attention.attention.");
      if (at == std::string::npos) continue;
      const std::string rest = tensor.name.substr(at + 20);  // "query.weight"
      tensor.name = "blocks." + tensor.name.substr(14, at - 14) + "attn." + rest[0] + end + rest.substr(rest.find('.'));
      split.push_back(tensor);
    }
    expect_same(to_official_names(split, "file"), official);
  }
}

TEST(VitNames, ChooseOneNetworkOfSeveral) {
  const std::vector<NamedTensor> encoder = numbered_vit(with_head());
  std::vector<NamedTensor> target, online, prototypes;
  for (const NamedTensor& tensor : encoder)
    (tensor.name == "prototypes" ? prototypes : target).push_back(tensor);
  for (const NamedTensor& tensor : target)
    online.push_back(numbered(tensor.name, tensor.shape, 100));
  std::vector<NamedTensor> both = prefixed(online, "encoder.module.");
  append(both, prefixed(target, "target_encoder.module."));
  append(both, prototypes);
  const auto with_prototypes = [&](std::vector<NamedTensor> tensors) {
    append(tensors, prototypes);
    return tensors;
  };
  VitTensors got = to_official_names(both, "file");
  EXPECT_EQ(got.network, "target_encoder");
  expect_same(got, with_prototypes(target));
  EXPECT_EQ(measure_vit(got, "file"), with_head());
  got = to_official_names(both, "file", Network::online);
  EXPECT_EQ(got.network, "encoder");
  expect_same(got, with_prototypes(online));

  std::vector<NamedTensor> dino = prefixed(online, "student.module.backbone.");
  append(dino, prefixed(target, "teacher.backbone."));
  dino.push_back(numbered("teacher.head.mlp.0.weight", {2, 8}, 0));
  got = to_official_names(dino, "file");
  EXPECT_EQ(got.network, "teacher");
  expect_same(got, target);
  EXPECT_EQ(got.passed_over, (std::vector<std::string>{"teacher.head.mlp.0.weight"}));
}

TEST(VitNames, PassOverHeadsOfClassifiersAndSayThem) {
  const std::vector<NamedTensor> official = numbered_vit(tiny_sizes());
  std::vector<NamedTensor> tensors = official;
  tensors.push_back(numbered("head.weight", {3, 8}, 0));
  tensors.push_back(numbered("mask_token", {1, 1, 8}, 0));
  VitTensors got = to_official_names(tensors, "file");
  expect_same(got, official);
  EXPECT_EQ(passed_over_text(got), "passing over what is no part of the network: head.weight, mask_token");

  tensors = prefixed(to_hugging_face_names(official), "vit.");
  for (const char* name : {"classifier.bias", "classifier.weight", "vit.pooler.dense.bias", "vit.pooler.dense.weight",
                           "vit.embeddings.mask_token"})
    tensors.push_back(numbered(name, {3}, 0));
  got = to_official_names(tensors, "file");
  expect_same(got, official);
  EXPECT_EQ(passed_over_text(got),
            "passing over what is no part of the network: classifier.bias, classifier.weight, vit.pooler.dense.bias, "
            "vit.pooler.dense.weight and 1 more");
}

class BadNames : public testing::Test {
 protected:
  static std::optional<Error> refused(const std::vector<NamedTensor>& tensors) {
    try {
      measure_vit(to_official_names(tensors, "file"), "file");
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }

  static void expect_refused(const std::vector<NamedTensor>& tensors, const std::string& problem,
                             const std::string& where) {
    const auto error = refused(tensors);
    ASSERT_TRUE(error) << problem;
    EXPECT_EQ(error->code(), ExitCode::config) << error->what();
    EXPECT_NE(error->problem().find(problem), std::string::npos) << error->what();
    EXPECT_EQ(error->where(), where) << error->what();
  }

  static std::vector<NamedTensor> without(std::vector<NamedTensor> tensors, const std::string& name) {
    EXPECT_EQ(std::erase_if(tensors, [&](const NamedTensor& tensor) { return tensor.name == name; }), 1u) << name;
    return tensors;
  }
  static std::vector<NamedTensor> with(std::vector<NamedTensor> tensors, const std::string& name,
                                       const std::vector<std::int64_t>& shape, const std::string& dtype = "F32") {
    std::erase_if(tensors, [&](const NamedTensor& tensor) { return tensor.name == name; });
    tensors.push_back(numbered(name, shape, 0));
    tensors.back().dtype = dtype;
    return tensors;
  }

  const std::vector<NamedTensor> official_ = numbered_vit(with_head());
  const std::vector<NamedTensor> legacy_ = to_hugging_face_names(official_);
};

TEST_F(BadNames, MissUnexpectedAndDoubleTensors) {
  ASSERT_FALSE(refused(official_));
  ASSERT_FALSE(refused(legacy_));
  expect_refused({}, "missing tensor", "file:cls_token");
  expect_refused(without(official_, "blocks.1.norm2.bias"), "missing tensor", "file:blocks.1.norm2.bias");
  expect_refused(without(official_, "blocks.0.norm1.weight"), "missing tensor", "file:blocks.0.norm1.weight");
  expect_refused(without(official_, "fc.fc2.bias"), "missing tensor", "file:fc.fc2.bias");
  expect_refused(without(legacy_, "embeddings.cls_token"), "missing tensor", "file:embeddings.cls_token");
  expect_refused(without(legacy_, "encoder.layer.1.output.dense.bias"), "missing tensor",
                 "file:encoder.layer.1.output.dense.bias");
  expect_refused(without(legacy_, "encoder.layer.1.attention.attention.key.bias"), "the key that belongs to this one",
                 "memory:blocks.1.attn.qkv.bias");
  expect_refused(with(official_, "blocks.2.norm2.bias", {8}), "unexpected tensor", "memory:blocks.2.norm2.bias");
  expect_refused(with(official_, "blocks.0.ls1.gamma", {8}), "unexpected tensor", "memory:blocks.0.ls1.gamma");
  expect_refused(with(official_, "dist_token", {1, 1, 8}), "unexpected tensor", "memory:dist_token");
  expect_refused(with(legacy_, "encoder.layer.0.layer_scale1.lambda1", {8}), "unexpected tensor",
                 "memory:encoder.layer.0.layer_scale1.lambda1");
  expect_refused(with(official_, "module.norm.bias", {8}), "two tensors are norm.bias", "memory:module.norm.bias");
  expect_refused(with(official_, "blocks.0.attn.q.weight", {8, 8}), "two tensors are blocks.0.attn.qkv.weight",
                 "memory:blocks.0.attn.q.weight");
  expect_refused(with(official_, "encoder.norm.bias", {8}), "unexpected tensor beside those of encoder",
                 "memory:cls_token");
  expect_refused(with(legacy_, "layers.0.attention.q_proj.bias", {8}), "old and new names",
                 "memory:layers.0.attention.q_proj.bias");
  expect_refused({numbered("embeddings.cls_token", {1, 1, 8}, 0)}, "no layer", "file");
}

TEST_F(BadNames, MissShapesAndTypes) {
  expect_refused(with(official_, "norm.bias", {8, 1}), "has shape [8, 1] where the others want [8]",
                 "memory:norm.bias");
  expect_refused(with(official_, "cls_token", {8}), "has shape [8]", "memory:cls_token");
  expect_refused(with(official_, "blocks.1.mlp.fc1.weight", {16, 8}), "has shape [16, 8] where the others want [32, 8]",
                 "memory:blocks.1.mlp.fc1.weight");
  expect_refused(with(official_, "pos_embed", {1, 9, 8}), "8 patches, which are no square", "memory:pos_embed");
  expect_refused(with(official_, "pos_embed", {1, 1, 8}), "0 patches", "memory:pos_embed");
  expect_refused(with(official_, "prototypes", {4, 6}), "where the others want [4, 5]", "memory:prototypes");
  expect_refused(with(official_, "fc.bn1.running_mean", {5}), "where the others want [6]",
                 "memory:fc.bn1.running_mean");
  expect_refused(with(official_, "fc.bn1.num_batches_tracked", {}), "where I64[] is wanted",
                 "memory:fc.bn1.num_batches_tracked");
  expect_refused(with(official_, "norm.bias", {8}, "I32"), "dtype I32 cannot become weights", "memory:norm.bias");
  expect_refused(with(legacy_, "encoder.layer.0.attention.attention.key.bias", {4}), "is F32[4] where",
                 "memory:encoder.layer.0.attention.attention.key.bias");
  expect_refused(with(legacy_, "encoder.layer.0.attention.attention.key.bias", {8}, "BF16"), "is BF16[8] where",
                 "memory:encoder.layer.0.attention.attention.key.bias");
  std::vector<NamedTensor> scalars = legacy_;
  for (const char* part : {"query", "key", "value"})
    scalars = with(scalars, std::string("encoder.layer.0.attention.attention.") + part + ".bias", {});
  expect_refused(scalars, "is F32[]", "memory:encoder.layer.0.attention.attention.query.bias");
}

TEST_F(BadNames, AreNoStatisticsOfAHead) {
  auto tensors = with(official_, "fc.bn1.running_mean", {6});
  tensors = with(tensors, "fc.bn2.num_batches_tracked", {}, "I64");
  EXPECT_FALSE(refused(tensors));
}

}  // namespace
}  // namespace msn
