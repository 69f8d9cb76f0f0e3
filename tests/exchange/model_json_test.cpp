// SPDX-License-Identifier: Apache-2.0
#include "exchange/model_json.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/error.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(ModelJson, ReadsTransformers) {
  const ModelJson model = parse_model_json(R"({"model_type": "vit_msn", "hidden_size": 384, "num_hidden_layers": 12,
      "num_attention_heads": 6, "patch_size": [16, 16], "image_size": 224, "hidden_act": "gelu", "qkv_bias": true,
      "layer_norm_eps": 1e-06, "num_channels": 3, "id2label": {"0": "cat"}})",
                                           "config.json");
  EXPECT_EQ(model.width, 384);
  EXPECT_EQ(model.depth, 12);
  EXPECT_EQ(model.heads, 6);
  EXPECT_EQ(model.patch_size, 16);
  EXPECT_EQ(model.image_size, 224);
  EXPECT_FALSE(model.mean);
  EXPECT_TRUE(model.notes.empty());
}

TEST(ModelJson, ReadsTimm) {
  const ModelJson model = parse_model_json(R"({"architecture": "vit_small_patch16_224",
      "model_args": {"img_size": [64, 64], "patch_size": 8, "embed_dim": 96, "depth": 4, "num_heads": 3},
      "pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "interpolation": "bicubic"}})",
                                           "config.json");
  EXPECT_EQ(model.width, 96);
  EXPECT_EQ(model.depth, 4);
  EXPECT_EQ(model.heads, 3);
  EXPECT_EQ(model.patch_size, 8);
  EXPECT_EQ(model.image_size, 64);
  EXPECT_EQ(model.mean, (std::array{0.5, 0.4, 0.3}));
  EXPECT_EQ(model.std, (std::array{0.2, 0.2, 0.1}));
  EXPECT_EQ(model.interpolation, Interpolation::bicubic);
  // A file of the hub says no more than which architecture it is.
  EXPECT_FALSE(parse_model_json(R"({"architecture": "vit_small_patch16_224"})", "config.json").heads);
}

TEST(ModelJson, ReadsThePreprocessor) {
  ModelJson model;
  parse_preprocessor_json(R"({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 0.5], "resample": 3})", "p.json",
                          model);
  EXPECT_EQ(model.mean, (std::array{0.5, 0.5, 0.5}));
  EXPECT_EQ(model.std, (std::array{0.25, 0.5, 0.5}));
  EXPECT_EQ(model.interpolation, Interpolation::bicubic);
}

TEST(ModelJson, NotesWhatChangesFeaturesSlightly) {
  const ModelJson model = parse_model_json(R"({"layer_norm_eps": 1e-12})", "config.json");
  ASSERT_EQ(model.notes.size(), 1u);
  EXPECT_EQ(model.notes[0],
            "layer_norm_eps is 1e-12 where msn computes with 1e-06: features differ slightly "
            "(config.json:layer_norm_eps)");
}

TEST(ModelJson, IsReadFromAFolder) {
  const ModelJson model = read_model_json(test::golden("vit_tiny/transformers"));
  EXPECT_EQ(model.width, 48);
  EXPECT_EQ(model.heads, 3);
  EXPECT_EQ(model.image_size, 32);
  const test::TempDir empty;
  EXPECT_FALSE(read_model_json(empty.path()).heads);
}

TEST(ModelJson, RefusesWhatItCannotMean) {
  struct Bad {
    const char* text;
    const char* problem;
    ExitCode code;
  };
  const Bad bad[] = {
      {"", "not JSON", ExitCode::data},
      {"{", "not JSON", ExitCode::data},
      {R"({"hidden_size": 1, "hidden_size": 2})", "stands twice", ExitCode::data},
      {"[]", "no JSON object", ExitCode::config},
      {R"({"hidden_size": "8"})", "hidden_size is no whole number", ExitCode::config},
      {R"({"hidden_size": 0})", "hidden_size is no whole number", ExitCode::config},
      {R"({"hidden_size": -8})", "hidden_size is no whole number", ExitCode::config},
      {R"({"hidden_size": 8.5})", "hidden_size is no whole number", ExitCode::config},
      {R"({"num_attention_heads": 18446744073709551615})", "no whole number", ExitCode::config},
      {R"({"image_size": [224, 196]})", "no square", ExitCode::config},
      {R"({"image_size": [224]})", "no square", ExitCode::config},
      {R"({"hidden_act": "gelu_new"})", "the activation is \"gelu_new\"", ExitCode::config},
      {R"({"hidden_act": 1})", "no text", ExitCode::config},
      {R"({"num_channels": 1})", "1 channels", ExitCode::config},
      {R"({"qkv_bias": false})", "no bias", ExitCode::config},
      {R"({"layer_norm_eps": "small"})", "no number", ExitCode::config},
      {R"({"architecture": "vit", "model_args": []})", "no JSON object", ExitCode::config},
      {R"({"architecture": "vit", "pretrained_cfg": {"mean": [0.5, 0.5]}})", "three numbers", ExitCode::config},
      {R"({"architecture": "vit", "pretrained_cfg": {"std": [0.5, 0.5, 0]}})", "numbers above 0", ExitCode::config},
  };
  for (const Bad& one : bad) {
    try {
      parse_model_json(one.text, "config.json");
      ADD_FAILURE() << one.text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), one.code) << error.what();
      EXPECT_NE(error.problem().find(one.problem), std::string::npos) << error.what();
      EXPECT_EQ(error.where().find("config.json"), 0u) << error.what();
    }
  }
  ModelJson into;
  EXPECT_THROW(parse_preprocessor_json(R"({"image_std": [1, 1, 1e999]})", "p.json", into), Error);
  EXPECT_THROW(parse_preprocessor_json(R"({"image_mean": 0.5})", "p.json", into), Error);
}

}  // namespace
}  // namespace msn
