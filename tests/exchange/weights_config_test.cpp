// SPDX-License-Identifier: Apache-2.0
#include "exchange/weights_config.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

VitSizes sizes_of(std::int64_t width, std::int64_t depth, std::int64_t patch, std::int64_t grid) {
  VitSizes sizes;
  sizes.width = width;
  sizes.depth = depth;
  sizes.patch = patch;
  sizes.grid = grid;
  return sizes;
}

class WeightsConfigTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const { std::ofstream(dir_ / name) << text; }

  void expect_refused(const VitSizes& sizes, const std::string& problem, std::optional<int> heads = {}) const {
    try {
      weights_config(dir_.path(), sizes, heads);
      ADD_FAILURE() << problem;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config) << error.what();
      EXPECT_NE(error.problem().find(problem), std::string::npos) << error.what();
    }
  }

  test::TempDir dir_;
};

TEST_F(WeightsConfigTest, IsThatOfTheNamedArchWhereNothingElseSaysMore) {
  const VitSizes sizes = sizes_of(384, 12, 16, 14);
  const Config config = weights_config(dir_ / "absent.safetensors", sizes).config;
  EXPECT_EQ(config.model.arch, "vit_small");
  EXPECT_EQ(config.model.heads, 6);
  EXPECT_EQ(config.model.patch_size, 16);
  EXPECT_EQ(config.model.image_size, 224);
  EXPECT_EQ(config.views.focal_size, 96);
  EXPECT_EQ(config.views.mean, ViewsConfig().mean);
  EXPECT_EQ(weights_config(dir_.path(), sizes, 12).config.model.heads, 12);
  EXPECT_FALSE(heads_beside(dir_.path()));
  expect_refused(sizes_of(48, 3, 4, 8), "how many attention heads");
}

TEST_F(WeightsConfigTest, IsThatOfTheJsonFilesBesideTheWeights) {
  write("config.json", R"({"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "patch_size": 5,
                           "image_size": 18, "layer_norm_eps": 1e-12})");
  write("preprocessor_config.json", R"({"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3], "resample": 3})");
  VitSizes sizes = sizes_of(48, 3, 5, 3);
  sizes.head_hidden = 7;
  sizes.head_out = 6;
  sizes.prototypes = 9;
  const WeightsConfig found = weights_config(dir_ / "model.safetensors", sizes);
  EXPECT_EQ(found.config.model.arch, "custom");
  EXPECT_EQ(found.config.model.width, 48);
  EXPECT_EQ(found.config.model.depth, 3);
  EXPECT_EQ(found.config.model.heads, 3);
  EXPECT_EQ(found.config.model.image_size, 18);
  EXPECT_EQ(found.config.model.head_hidden, 7);
  EXPECT_EQ(found.config.model.head_out, 6);
  EXPECT_EQ(found.config.model.prototypes, 9);
  EXPECT_EQ(found.config.views.random_size, 18);
  EXPECT_EQ(found.config.views.focal_size, 5);
  EXPECT_EQ(found.config.views.mean, (std::array{0.1, 0.2, 0.3}));
  EXPECT_EQ(found.config.views.std, (std::array{1.0, 2.0, 3.0}));
  EXPECT_EQ(found.config.views.interpolation, Interpolation::bicubic);
  EXPECT_EQ(found.notes.size(), 1u);
  EXPECT_EQ(heads_beside(dir_.path()), 3);
  // What it says of itself goes through a file again.
  write("config.toml", to_toml(found.config));
  EXPECT_EQ(weights_config(dir_.path(), sizes).config, found.config);

  std::filesystem::remove(dir_ / "config.toml");
  expect_refused(sizes_of(56, 3, 5, 3), "the width is 48 where the tensors beside it have 56");
  expect_refused(sizes_of(48, 4, 5, 3), "the number of layers is 3");
  expect_refused(sizes_of(48, 3, 4, 3), "patch_size is 5");
  expect_refused(sizes_of(48, 3, 5, 4), "the grid of image_size is 3");
  expect_refused(sizes, "the number of heads is 3", 4);
  write("config.json", R"({"num_attention_heads": 5})");
  expect_refused(sizes, "not divisible");
}

TEST_F(WeightsConfigTest, IsThatOfItsOwnConfiguration) {
  write("config.toml",
        "[model]\nwidth = 48\ndepth = 3\nheads = 4\npatch_size = 4\nimage_size = 32\n[views]\nrandom_size = 32\n"
        "focal_size = 16\nmean = [0.5, 0.5, 0.5]\n");
  write("config.json", R"({"num_attention_heads": 3})");
  EXPECT_EQ(weights_config(dir_.path(), sizes_of(48, 3, 4, 8)).config.model.heads, 4);
  EXPECT_EQ(weights_config(dir_.path(), sizes_of(48, 3, 4, 8)).config.views.mean, (std::array{0.5, 0.5, 0.5}));
  EXPECT_EQ(heads_beside(dir_ / "model.safetensors"), 4);
  expect_refused(sizes_of(48, 3, 4, 8), "model.heads is 4", 3);
  expect_refused(sizes_of(40, 3, 4, 8), "model.width is 48");
  expect_refused(sizes_of(48, 3, 4, 7), "the grid of model.image_size is 8");
}

TEST_F(WeightsConfigTest, LeavesAViewAPatch) {
  EXPECT_EQ(weights_config(dir_.path(), sizes_of(384, 12, 32, 1)).config.views.mask_ratio, 0);
}

}  // namespace
}  // namespace msn
