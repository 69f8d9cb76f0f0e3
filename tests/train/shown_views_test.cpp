// SPDX-License-Identifier: Apache-2.0
// The sheet must show what training sees: compared with the loader's batches and the step's input.
#include "train/shown_views.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "data/data_support.hpp"
#include "data/loader.hpp"
#include "data/views.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

Config small_config(MaskPer mask_per) {
  Config config;
  config.views.random = 2;
  config.views.focal = 3;
  config.views.random_size = 26;  // Two pixels more than whole patches.
  config.views.focal_size = 12;
  config.views.mask_ratio = 0.4;
  config.views.mask_per = mask_per;
  config.model.patch_size = 4;
  config.train.global_batch = 8;
  config.train.seed = 5;
  return config;
}

/// Image `index` of the batch has rows of what is shown: the visible patches of each view, which the sheet has in
/// rising order.
void expect_rows(const ShownSample& shown, Batch& batch, std::size_t index, const Config& config) {
  for (std::size_t v = 0; v < shown.views.size(); ++v) {
    const ShownView& view = shown.views[v];
    const auto kept = kept_of(batch, static_cast<int>(v), index);
    std::vector<std::int64_t> order(kept.begin(), kept.end());
    std::sort(order.begin(), order.end());
    if (order.empty()) {
      EXPECT_EQ(view.kept.size(), static_cast<std::size_t>(view.patches));
    } else {
      EXPECT_EQ(order, view.kept);
    }
    order.assign(kept.begin(), kept.end());
    if (order.empty()) order = view.kept;
    std::vector<float> rows(order.size() * 48);
    Normaliser(config.views).write_patch_rows(view.pixels, config.model.patch_size, order, rows);
    EXPECT_TRUE(std::ranges::equal(rows, rows_of(batch, static_cast<int>(v), index))) << "view " << v;
  }
}

class ShownViews : public ::testing::Test {
 protected:
  ShownViews() {
    PackOptions options;
    options.shards = 3;
    test::pack_folder("synthetic:shapes?images=20&size=40&seed=3", dir_ / "set", options);
  }
  ShownData open(Config config) const {
    config.data.path = dir_ / "set";
    return open_shown_data(config);
  }
  test::TempDir dir_;
};

TEST_F(ShownViews, AreThoseOfTraining) {
  for (const MaskPer mask_per : {MaskPer::batch, MaskPer::image}) {
    Config config = small_config(mask_per);
    // Each order once: neither depends on the mask.
    config.data.order = mask_per == MaskPer::batch ? DataOrder::shuffled : DataOrder::blockwise;
    config.data.block = 3;
    config.data.window = 2;
    const ShownData data = open(config);
    const std::uint64_t step = 3;  // Of the second epoch: an epoch has two steps.
    // The second of two ranks, whose share begins inside the global batch.
    Loader loader(data.training, {.global_batch = 8, .patch_size = 4, .rank = 1, .world_size = 2, .first_step = step},
                  1);
    Batch batch = loader.next();
    for (std::uint64_t i = 0; i < 4; ++i) {
      const ShownSample shown = show_sample(data, config, step, 4 + i);
      EXPECT_EQ(shown.epoch, 1u);
      EXPECT_EQ(shown.position, batch.position + i);
      ASSERT_EQ(shown.sample, batch.samples[i]);
      EXPECT_NE(data.sets[0].describe(shown.sample).find("(" + shown.name + ","), std::string::npos);
      ASSERT_EQ(shown.views.size(), 6u);
      expect_rows(shown, batch, i, config);
      for (std::size_t v = 1; v <= 2; ++v) {
        EXPECT_EQ(shown.views[v].patches, 36);
        EXPECT_EQ(shown.views[v].kept.size(), 21u);  // floor(36 * 0.6)
      }
      for (const std::size_t v : {0u, 3u, 5u})
        EXPECT_EQ(shown.views[v].kept.size(), static_cast<std::size_t>(shown.views[v].patches));
    }
  }
}

TEST_F(ShownViews, OfSeveralSetsAreThoseOfTraining) {
  test::pack_folder("synthetic:shapes?images=12&size=30&seed=8", dir_ / "other");
  Config config = small_config(MaskPer::image);
  config.data.sets = {{.path = dir_ / "set", .weight = 1}, {.path = dir_ / "other", .weight = 1}};
  const ShownData data = open_shown_data(config);
  Loader loader(data.training, {.global_batch = 8, .patch_size = 4, .first_step = 5}, 1);
  Batch batch = loader.next();
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < 8; ++i) {
    const ShownSample shown = show_sample(data, config, 5, i);
    names.insert(shown.data_set);
    expect_rows(shown, batch, i, config);
  }
  EXPECT_EQ(names, (std::set<std::string>{"other", "set"}));
}

TEST_F(ShownViews, MasksAreOneForTheBatchOrOneForEachImage) {
  const auto kept = [&](MaskPer mask_per, std::uint64_t step, std::uint64_t index, std::size_t view) {
    return show_sample(open(small_config(mask_per)), small_config(mask_per), step, index).views[view].kept;
  };
  EXPECT_EQ(kept(MaskPer::batch, 0, 0, 1), kept(MaskPer::batch, 0, 7, 2));
  EXPECT_NE(kept(MaskPer::batch, 0, 0, 1), kept(MaskPer::batch, 1, 0, 1));
  EXPECT_NE(kept(MaskPer::image, 0, 0, 1), kept(MaskPer::image, 0, 1, 1));
  EXPECT_NE(kept(MaskPer::image, 0, 0, 1), kept(MaskPer::image, 0, 0, 2));
}

TEST_F(ShownViews, AreDescribedInTheOrderOfApplication) {
  ShownView view;
  view.parameters.crop = {12, 40, 280, 300};
  view.kept = {0, 1};
  view.patches = 2;
  EXPECT_EQ(describe_view(view), "crop 300x280 at 40,12");
  view.parameters.flip = true;
  view.parameters.jitter = true;
  view.parameters.order = {ColourOperation::hue, ColourOperation::brightness, ColourOperation::saturation,
                           ColourOperation::contrast};
  view.parameters.factors = {0.8, 1.25, 1, -0.0625};
  view.parameters.grayscale = true;
  view.parameters.blur = true;
  view.parameters.radius = 1.5f;
  view.patches = 4;
  EXPECT_EQ(describe_view(view),
            "crop 300x280 at 40,12  flip  hue -0.062  brightness 0.800  saturation 1.000  contrast 1.250  gray  "
            "blur 1.50  sees 2 of 4 patches");
}

TEST_F(ShownViews, TheRowShowsEveryViewEnlargedAndMasked) {
  const Config config = small_config(MaskPer::batch);
  const ShownSample shown = show_sample(open(config), config, 0, 0);
  const SheetRow row = sheet_row(shown, config);
  ASSERT_EQ(row.tiles.size(), 7u);
  EXPECT_EQ(row.lines.size(), 7u);
  EXPECT_EQ(row.tiles[0].caption, "image");
  EXPECT_EQ(row.tiles[1].caption, "target");
  EXPECT_EQ(row.tiles[3].caption, "random 2");
  EXPECT_EQ(row.tiles[6].caption, "focal 3");
  EXPECT_EQ(row.tiles[2].image.width, 26 * 4);
  EXPECT_EQ(row.tiles[4].image.width, 12 * 4);
  const auto same_pixels = [&](std::size_t tile) {
    const Image& plain = enlarge(to_image(shown.views[tile - 1].pixels), 4);
    std::size_t same = 0;
    for (std::size_t i = 0; i < plain.rgb.size(); i += 3)
      same += std::equal(plain.rgb.begin() + static_cast<std::ptrdiff_t>(i),
                         plain.rgb.begin() + static_cast<std::ptrdiff_t>(i + 3),
                         row.tiles[tile].image.rgb.begin() + static_cast<std::ptrdiff_t>(i));
    return same;
  };
  EXPECT_GE(same_pixels(1), 24u * 24 * 16);  // The target view is veiled beyond the last whole patch only.
  EXPECT_GE(same_pixels(2), 21u * 16 * 16);
  EXPECT_LT(same_pixels(2), 24u * 24 * 16);
  EXPECT_EQ(same_pixels(4), 12u * 12 * 16);
}

TEST_F(ShownViews, RefusesABatchLargerThanTheData) {
  Config config = small_config(MaskPer::batch);
  config.train.global_batch = 21;
  EXPECT_THROW(open(config), Error);
}

}  // namespace
}  // namespace msn
