// SPDX-License-Identifier: Apache-2.0
#include "report/network_pictures.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/files.hpp"
#include "checkpoint/checkpoint.hpp"
#include "data/pack.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

Config tiny_config(const std::filesystem::path& data) {
  Config config;
  config.data.path = data;
  config.views.random_size = config.model.image_size = 16;
  config.views.focal_size = 8;
  config.views.focal = 2;
  config.model.arch = "custom";
  config.model.width = 16;
  config.model.depth = 2;
  config.model.heads = 2;
  config.model.patch_size = 4;
  config.model.head_hidden = 16;
  config.model.head_out = 8;
  config.model.prototypes = 6;
  config.train.global_batch = 8;
  config.train.epochs = 2;
  config.optim.warmup_epochs = 1;
  return config;
}

/// A run folder with a data set of `images` pictures beside it, without a checkpoint.
void make_run(const std::filesystem::path& run, const std::filesystem::path& data, int images) {
  PackOptions options;
  options.inputs = {"synthetic:shapes?images=" + std::to_string(images) + "&size=24&seed=1"};
  options.output = data;
  pack(options);
  std::filesystem::create_directories(run);
  replace_text(run / "config.toml", to_toml(tiny_config(data)));
}

void save_checkpoint(const std::filesystem::path& run, const Config& config, std::uint64_t step) {
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
  state.initialise(3);
  CheckpointFacts facts;
  facts.step = step;
  facts.config_toml = to_toml(config);
  write_checkpoint(test::world(), run, facts, state_tensors(state), 1);
}

PictureOptions of_data(const std::filesystem::path& data) {
  PictureOptions options;
  options.data = data;
  return options;
}

const PictureSection& section(const RunPictures& pictures, const std::string& title) {
  const auto found = std::find_if(pictures.sections.begin(), pictures.sections.end(),
                                  [&](const PictureSection& one) { return one.title == title; });
  if (found == pictures.sections.end()) throw std::runtime_error("no section " + title);
  return *found;
}

TEST(NetworkPictures, ShowViewsPrototypesAndWhereTheNetworkLooks) {
  const test::TempDir dir;
  make_run(dir / "run", dir / "data", 20);
  save_checkpoint(dir / "run", tiny_config(dir / "data"), 3);
  std::uint64_t last_done = 0, last_total = 0;
  PictureOptions options;
  options.sample = 12;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    last_done = done;
    last_total = total;
  };
  const RunPictures pictures = draw_network_pictures(dir / "run", options);
  EXPECT_EQ(last_done, 12U);
  EXPECT_EQ(last_total, 12U);
  ASSERT_EQ(pictures.sections.size(), 3U);

  const PictureSection& views = section(pictures, "Views of step 3");
  ASSERT_EQ(views.rows.size(), 4U);
  for (const PictureRow& row : views.rows) {
    EXPECT_NE(row.heading.find("step 3"), std::string::npos) << row.heading;
    EXPECT_EQ(row.tiles.size(), 5U) << "the image, target, random and two focal views";
    EXPECT_EQ(row.details.size(), 4U);
  }

  // Each image has one most likely prototype, and rows go from the most used one on.
  const PictureSection& prototypes = section(pictures, "Nearest images of the most used prototypes");
  ASSERT_GE(prototypes.rows.size(), 1U);
  int images = 0, last = 12;
  for (const PictureRow& row : prototypes.rows) {
    int prototype = -1, count = 0;
    ASSERT_EQ(std::sscanf(row.heading.c_str(), "Prototype %d: the most likely one of %d", &prototype, &count), 2);
    EXPECT_LT(prototype, 6);
    EXPECT_LE(count, last);
    last = count;
    images += count;
    ASSERT_EQ(row.tiles.size(), 8U);
    std::set<std::string> shown;
    for (std::size_t i = 0; i < row.tiles.size(); ++i) {
      shown.insert(row.tiles[i].alt.substr(0, row.tiles[i].alt.find(',')));
      EXPECT_EQ(row.tiles[i].image.width, 96);
      EXPECT_LE(std::stod(row.tiles[i].caption), std::stod(row.tiles[i == 0 ? 0 : i - 1].caption));
    }
    EXPECT_EQ(shown.size(), 8U) << "no image twice";
  }
  EXPECT_EQ(images, 12) << "all six prototypes find room";

  const PictureSection& looks = section(pictures, "Where the network looks");
  ASSERT_EQ(looks.rows.size(), 6U);
  for (const PictureRow& row : looks.rows)
    EXPECT_EQ(row.tiles.size(), 5U) << "image, tokens, mean and two heads";
}

TEST(NetworkPictures, AreTheSameAgain) {
  const test::TempDir dir;
  make_run(dir / "run", dir / "data", 12);
  save_checkpoint(dir / "run", tiny_config(dir / "data"), 1);
  const auto with_threads = [&](int threads) {
    PictureOptions options;
    options.threads = threads;
    return pictures_html(draw_network_pictures(dir / "run", options), 1'000'000);
  };
  EXPECT_EQ(with_threads(1), with_threads(3));
}

TEST(NetworkPictures, SayWhatIsMissing) {
  const test::TempDir dir;
  make_run(dir / "run", dir / "data", 12);
  RunPictures pictures = draw_network_pictures(dir / "run", {});
  ASSERT_EQ(pictures.sections.size(), 1U);
  EXPECT_EQ(pictures.sections[0].title, "Views of step 0");
  EXPECT_EQ(pictures.notes, std::vector<std::string>{"No pictures of the network: the run has no checkpoint yet."});

  Config config = tiny_config("");
  config.data.input = DataInput::synthetic;
  config.data.epoch_images = 100;
  replace_text(dir / "run/config.toml", to_toml(config));
  pictures = draw_network_pictures(dir / "run", {});
  EXPECT_TRUE(pictures.sections.empty());
  EXPECT_EQ(pictures.notes, std::vector<std::string>{"No pictures: the run was trained on made-up numbers."});
  EXPECT_EQ(draw_network_pictures(dir / "run", of_data(dir / "data")).sections.size(), 1U) << "other images will do";
}

TEST(NetworkPictures, RefuseWhatCannotBeRead) {
  const test::TempDir dir;
  make_run(dir / "run", dir / "data", 12);
  EXPECT_NE(test::refusal([&] { draw_network_pictures(dir / "run", of_data(dir / "nowhere")); }).find("nowhere"),
            std::string::npos);
  // A checkpoint of another network than the configuration's.
  Config other = tiny_config(dir / "data");
  other.model.width = 32;
  save_checkpoint(dir / "run", other, 1);
  EXPECT_NE(test::refusal([&] { draw_network_pictures(dir / "run", {}); }).find("step-00000001"), std::string::npos);
}

}  // namespace
}  // namespace msn
