// SPDX-License-Identifier: Apache-2.0
#include "data/loader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "data/decode.hpp"
#include "data/sampler.hpp"
#include "data/views.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr std::uint64_t seed = 7;
constexpr std::uint64_t images = 26;
constexpr int patch_size = 4;
constexpr int view_total = 4;

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    test::write_folder(dir_ / "in", 2, images / 2);
    PackOptions options;
    options.shards = 3;
    test::pack_folder(dir_ / "in", dir_ / "set", options);
    config_.train.seed = seed;
    config_.views.random = 1;
    config_.views.focal = 2;
    config_.views.random_size = 16;
    config_.views.focal_size = 8;
  }

  static BatchOptions options(int global_batch, std::uint64_t first_step = 0, int rank = 0, int world_size = 1) {
    return {global_batch, patch_size, rank, world_size, first_step};
  }

  /// The data set, for batches of at least `global_batch`.
  TrainingData open(int global_batch = 1) const {
    Config config = config_;
    if (config.data.sets.empty()) config.data.path = dir_ / "set";
    config.train.global_batch = global_batch;
    return open_training_data(config);
  }

  /// Spoils the bytes of an image on disk.
  void damage(std::uint64_t sample) const {
    const SampleStore store(dir_ / "set");
    const Extent extent = store.locate(sample);
    const std::array<std::byte, 4> zeros{};
    const FileHandle file(dir_ / "set" / store.manifest().shards[extent.shard].file, O_RDWR);
    file.write_at(zeros, extent.offset + extent.size / 2);
  }

  /// The rows of every view of a batch, one after the other, made one by one: `pixels` says whose pixels are taken for
  /// each sample.
  std::vector<std::vector<float>> expected_rows(const Batch& batch, int global_batch,
                                                const std::vector<std::uint64_t>& pixels) const {
    const DataSet set(dir_ / "set");
    const VisiblePatches visible(config_.views, patch_size, seed, global_batch);
    const Normaliser normaliser(config_.views);
    std::vector<std::vector<float>> rows(view_total);
    for (int v = 0; v < view_total; ++v) {
      const auto values = static_cast<std::size_t>(visible.count(v) * visible.patch_values());
      auto& view = rows[static_cast<std::size_t>(v)];
      view.resize(batch.samples.size() * values);
      for (std::size_t i = 0; i < batch.samples.size(); ++i) {
        const Image image = decode(set.read(pixels[i]));
        const auto parameters = draw_view(config_.views, image.width, image.height,
                                          {seed, batch.epoch, batch.samples[i], static_cast<std::uint32_t>(v)});
        normaliser.write_patch_rows(make_view(image, parameters, v < 2 ? 16 : 8, config_.views), patch_size,
                                    visible.of(v, batch.epoch, batch.position + i, batch.samples[i]),
                                    std::span(view).subspan(i * values, values));
      }
    }
    return rows;
  }

  /// The rows of every view of a batch.
  static std::vector<std::vector<float>> rows_by_view(Batch& batch) {
    std::vector<std::vector<float>> rows(view_total);
    for (int v = 0; v < view_total; ++v) {
      for (std::size_t i = 0; i < batch.samples.size(); ++i) {
        const auto mine = rows_of(batch, v, i);
        rows[static_cast<std::size_t>(v)].insert(rows[static_cast<std::size_t>(v)].end(), mine.begin(), mine.end());
      }
    }
    return rows;
  }

  /// The global batches of `steps` steps as `world_size` ranks with `workers` threads each make them, put together, and
  /// the numbers of the bad samples they met.
  struct Epochs {
    std::vector<std::vector<std::vector<float>>> rows;  ///< [step][view]
    std::vector<std::vector<std::uint64_t>> bad;        ///< [step]: bad sample, replacement, bad sample, ...

    bool operator==(const Epochs&) const = default;
  };
  Epochs run(int global_batch, std::uint64_t steps, int world_size, int workers) const {
    Epochs epochs;
    epochs.rows.resize(steps, std::vector<std::vector<float>>(view_total));
    epochs.bad.resize(steps);
    for (int rank = 0; rank < world_size; ++rank) {
      const TrainingData data = open(global_batch);
      Loader loader(data, options(global_batch, 0, rank, world_size), workers);
      for (std::uint64_t step = 0; step < steps; ++step) {
        Batch batch = loader.next();
        const auto rows = rows_by_view(batch);
        for (std::size_t v = 0; v < rows.size(); ++v) {
          auto& whole = epochs.rows[step][v];
          whole.insert(whole.end(), rows[v].begin(), rows[v].end());
        }
        for (const BadSample& bad : batch.bad) {
          epochs.bad[step].push_back(bad.sample);
          epochs.bad[step].push_back(bad.replacement);
        }
        loader.recycle(std::move(batch));
      }
    }
    return epochs;
  }

  test::TempDir dir_;
  Config config_;
};

TEST_F(LoaderTest, DeliversStepsInOrder) {
  const TrainingData data = open();
  Loader loader(data, options(4), 3);
  const Sampler sampler(images, seed);
  for (std::uint64_t step = 0; step < 14; ++step) {
    Batch batch = loader.next();
    EXPECT_EQ(batch.epoch, step / 6);
    EXPECT_EQ(batch.position, step % 6 * 4);
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_EQ(batch.samples[i], sampler.at(step / 6, step % 6 * 4 + i));
    EXPECT_EQ(batch.target.rows.size(), 4u * 16 * 48);
    EXPECT_EQ(batch.random.rows.size(), 4u * 13 * 48);  // floor(16 * 0.85)
    EXPECT_EQ(batch.focal.rows.size(), 2u * 4 * 4 * 48);
    EXPECT_EQ(batch.random.keep, batch_mask(seed, step / 6, step % 6 * 4, 16, 0.15));
    EXPECT_TRUE(batch.bad.empty());
    loader.recycle(std::move(batch));
  }
}

TEST_F(LoaderTest, MakesTheViewsThatTheirParametersSay) {
  const TrainingData data = open();
  Loader loader(data, options(4, 6), 2);
  Batch batch = loader.next();
  EXPECT_EQ(rows_by_view(batch), expected_rows(batch, 4, batch.samples));
}

TEST_F(LoaderTest, MasksAreThoseOfTheWholeBatchOrOfEachImage) {
  for (const MaskPer mask_per : {MaskPer::batch, MaskPer::image}) {
    config_.views.mask_per = mask_per;
    config_.views.mask_ratio = 0.5;
    const TrainingData data = open();
    Loader second_rank(data, options(8, 1, 1, 2), 2);
    Batch batch = second_rank.next();
    ASSERT_EQ(batch.position, 8u + 4);
    EXPECT_EQ(batch.random.keep.size(), mask_per == MaskPer::batch ? 8u : 4u * 8);
    EXPECT_EQ(rows_by_view(batch), expected_rows(batch, 8, batch.samples));
  }
  config_.views.mask_ratio = 0;
  const TrainingData data = open();
  Loader loader(data, options(4), 2);
  Batch batch = loader.next();
  EXPECT_TRUE(batch.random.keep.empty());
  EXPECT_EQ(rows_by_view(batch), expected_rows(batch, 4, batch.samples));
}

TEST_F(LoaderTest, AnyNumberOfRanksAndWorkersMakesTheSameGlobalBatches) {
  constexpr std::uint64_t three_epochs = 6;
  const Epochs one = run(12, three_epochs, 1, 1);
  for (const auto& step : one.bad)
    EXPECT_TRUE(step.empty());
  for (int ranks = 1; ranks <= 4; ++ranks) {
    for (int workers = 1; workers <= 8; ++workers)
      EXPECT_EQ(run(12, three_epochs, ranks, workers), one) << ranks << " ranks, " << workers << " workers";
  }
}

TEST_F(LoaderTest, MoreWorkersThanImagesShareTheViews) {
  EXPECT_EQ(run(2, 13, 2, 8), run(2, 13, 1, 1));
}

TEST_F(LoaderTest, ABadImageIsReplacedTheSameOnAnyNumberOfRanks) {
  const Sampler sampler(images, seed);
  // Bad: one image, what replaces it in the first epoch, and one that is elsewhere.
  const std::uint64_t first = sampler.at(0, 5);
  const std::uint64_t second = sampler.replacement(0, first);
  const std::uint64_t third = sampler.at(0, 17);
  ASSERT_EQ((std::set<std::uint64_t>{first, second, third}.size()), 3u);
  for (const std::uint64_t sample : {first, second, third})
    damage(sample);
  const Epochs one = run(12, 6, 1, 1);
  EXPECT_EQ(std::vector(one.bad[0].begin(), one.bad[0].begin() + 2), (std::vector{first, second}));
  for (int ranks = 1; ranks <= 4; ++ranks) {
    for (const int workers : {1, 2, 5, 8})
      EXPECT_EQ(run(12, 6, ranks, workers), one) << ranks << " ranks, " << workers << " workers";
  }
}

TEST_F(LoaderTest, AReplacementHasTheDrawsOfTheImageThatWasToCome) {
  const Sampler sampler(images, seed);
  const std::uint64_t bad = sampler.at(1, 14);
  damage(bad);
  const TrainingData data = open();
  Loader loader(data, options(4, 6 + 3), 3);  // Positions 12 to 15 of the second epoch.
  Batch batch = loader.next();
  ASSERT_EQ(batch.samples[2], bad);
  std::vector<std::uint64_t> pixels = batch.samples;
  pixels[2] = sampler.replacement(1, bad);
  EXPECT_EQ(rows_by_view(batch), expected_rows(batch, 4, pixels));
  ASSERT_EQ(batch.bad.size(), 1u);
  EXPECT_EQ(batch.bad[0].place, 2u);
  EXPECT_EQ(batch.bad[0].sample, bad);
  EXPECT_EQ(batch.bad[0].replacement, pixels[2]);
  EXPECT_NE(batch.bad[0].where.find("sample " + std::to_string(bad) + " (class"), std::string::npos);
  EXPECT_NE(batch.bad[0].reason.find("checksum"), std::string::npos);
}

TEST_F(LoaderTest, AnImageThatIsNoImageIsReplaced) {
  // A shard whose bytes are as they were written, but no picture.
  std::vector<ShardItem> items;
  for (int i = 0; i < 6; ++i)
    items.push_back({test::small_jpeg(i), -1, 20, 16, 0, std::to_string(i)});
  const std::string text = "not a picture at all";
  items[3].bytes.assign(std::as_bytes(std::span(text)).begin(), std::as_bytes(std::span(text)).end());
  std::filesystem::create_directory(dir_ / "odd");
  write_shard(dir_ / "odd" / "odd.h5", items, {});
  DataSetManifest manifest;
  manifest.count = 6;
  manifest.shards = {{"odd.h5", 6, std::filesystem::file_size(dir_ / "odd" / "odd.h5"), ""}};
  write_dataset_manifest(dir_ / "odd", manifest);
  config_.data.sets.push_back({.path = dir_ / "odd"});
  const TrainingData data = open();
  Loader loader(data, options(6), 2);
  const Batch batch = loader.next();
  ASSERT_EQ(batch.bad.size(), 1u);
  EXPECT_EQ(batch.bad[0].sample, 3u);
  EXPECT_NE(batch.bad[0].reason.find("neither a JPEG nor a PNG"), std::string::npos);
}

TEST_F(LoaderTest, TheCacheChangesNoBatchAndServesWithoutTheDisk) {
  damage(Sampler(images, seed).at(0, 5));
  const Epochs without = run(12, 6, 2, 3);
  config_.data.cache = DataCache::ram;
  EXPECT_EQ(run(12, 6, 2, 3), without);

  const TrainingData data = open();
  std::vector<std::vector<float>> first;
  {
    Loader loader(data, options(13), 3);
    for (int step = 0; step < 2; ++step) {  // A whole epoch.
      const Batch batch = loader.next();
      first.emplace_back(batch.random.rows.begin(), batch.random.rows.end());
    }
  }
  for (const ShardEntry& shard : data.sets[0].store->manifest().shards)
    std::filesystem::resize_file(dir_ / "set" / shard.file, 0);
  Loader again(data, options(13), 3);
  for (int step = 0; step < 2; ++step) {
    const Batch batch = again.next();
    // The image that is bad, and no other, is bad for another reason now.
    EXPECT_LE(batch.bad.size(), 1u);
    EXPECT_EQ(batch.random.rows, first[static_cast<std::size_t>(step)]);
  }
}

TEST_F(LoaderTest, SeveralSetsMakeTheSameGlobalBatchesOnAnyNumberOfRanks) {
  test::write_folder(dir_ / "in2", 1, 5);
  test::pack_folder(dir_ / "in2", dir_ / "small");
  config_.data.sets = {{.path = dir_ / "set", .weight = 1}, {.path = dir_ / "small", .weight = 1}};
  config_.data.sets[1].mean = {0, 0, 0};
  config_.data.sets[1].std = {1, 1, 1};
  damage(3);
  const Epochs one = run(12, 8, 1, 1);
  for (int ranks = 1; ranks <= 4; ++ranks)
    EXPECT_EQ(run(12, 8, ranks, 3), one) << ranks << " ranks";

  // Half of the draws are of the small set, whose levels are not shifted: from 0 to 1.
  const TrainingData data = open(12);
  Loader loader(data, options(12), 2);
  Batch batch = loader.next();
  int small = 0;
  std::set<std::uint64_t> keys(batch.samples.begin(), batch.samples.end());
  EXPECT_EQ(keys.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) {
    const Draw draw = data.mixture.at(0, i);
    EXPECT_EQ(batch.samples[i], draw.key);
    if (draw.set == 0) continue;
    ++small;
    const auto view = rows_of(batch, 0, i);
    EXPECT_GE(*std::min_element(view.begin(), view.end()), 0.0f);
    EXPECT_LE(*std::max_element(view.begin(), view.end()), 1.0f);
  }
  EXPECT_EQ(small, 6);
}

TEST_F(LoaderTest, LeavesTheViewsOfTheSameImagesToADevice) {
  damage(Sampler(images, seed).at(0, 5));
  config_.views.mask_per = MaskPer::image;
  config_.views.mask_ratio = 0.5;
  const TrainingData data = open(12);
  const DataSet set(dir_ / "set");
  BatchOptions for_device = options(12);
  for_device.views = ViewsMade::by_device;
  for (const int workers : {1, 5}) {
    Loader loader(data, for_device, workers);
    for (std::uint64_t step = 0; step < 4; ++step) {
      Batch batch = loader.next();
      const Sampler sampler(images, seed);
      EXPECT_EQ(batch.position, step % 2 * 12);
      EXPECT_EQ(batch.random.keep.size(), 12u * 8);
      EXPECT_EQ(batch.focal.visible, 4);
      EXPECT_TRUE(batch.target.rows.empty() && batch.random.rows.empty() && batch.focal.rows.empty());
      ASSERT_EQ(batch.plan.tasks.size(), 12u * view_total);
      for (std::size_t i = 0; i < 12; ++i) {
        EXPECT_EQ(batch.samples[i], sampler.at(step / 2, batch.position + i));
        std::uint64_t sample = batch.samples[i];
        for (const BadSample& bad : batch.bad)
          sample = bad.place == i ? bad.replacement : sample;
        const Image image = decode(set.read(sample));
        for (std::uint32_t v = 0; v < view_total; ++v) {
          const kernels::device::ViewTask& task = batch.plan.tasks[v * 12 + i];
          const CropBox crop =
              draw_view(config_.views, image.width, image.height, {seed, batch.epoch, batch.samples[i], v}).crop;
          EXPECT_EQ((CropBox{task.top, task.left, task.height, task.width}), crop);
          EXPECT_EQ(task.image, (v < 2 ? 0 : v - 2) * 12 + i);
          const auto block = batch.plan.pixels.blocks().front();
          ASSERT_LE(task.pixels + image.rgb.size(), block.bytes.size());
          EXPECT_TRUE(std::equal(image.rgb.begin(), image.rgb.end(), block.bytes.data() + task.pixels));
        }
      }
      if (step == 0) {
        ASSERT_FALSE(batch.bad.empty());
        EXPECT_EQ(batch.bad[0].place, 5u);
        EXPECT_EQ(batch.bad[0].sample, batch.samples[5]);
      }
      loader.recycle(std::move(batch));
    }
  }
}

TEST_F(LoaderTest, ADeadDiskEndsALoaderForADeviceToo) {
  for (std::uint64_t sample = 0; sample < images; ++sample)
    damage(sample);
  const TrainingData data = open();
  BatchOptions for_device = options(4);
  for_device.views = ViewsMade::by_device;
  Loader loader(data, for_device, 3);
  test::expect_data_error([&] { loader.next(); }, {"16 images in a row", "checksum", "sample ", ".h5"});
}

TEST_F(LoaderTest, ADeadDiskEndsTheLoader) {
  for (std::uint64_t sample = 0; sample < images; ++sample)
    damage(sample);
  const TrainingData data = open();
  Loader loader(data, options(4), 3);
  test::expect_data_error([&] { loader.next(); }, {"16 images in a row", "checksum", "sample ", ".h5"});
}

TEST_F(LoaderTest, AMissingShardEndsTheLoaderAfterTheBatchesBefore) {
  const TrainingData data = open();
  const std::string file = data.sets[0].store->manifest().shards[1].file;
  const Sampler sampler(images, seed);
  // Samples 8 to 16 lie in the second of three shards.
  std::uint64_t good_steps = 0;
  while (sampler.at(0, good_steps) < 8 || sampler.at(0, good_steps) > 16)
    ++good_steps;
  std::filesystem::remove(dir_ / "set" / file);
  Loader loader(data, options(1), 3);
  for (std::uint64_t step = 0; step < good_steps; ++step)
    EXPECT_NO_THROW(loader.next());
  test::expect_data_error([&] { loader.next(); }, {"missing", file, "copy it again"});
}

TEST_F(LoaderTest, EndsAtOnceInTheMiddleOfWork) {
  const TrainingData data = open();
  for (int i = 0; i < 20; ++i) {
    Loader loader(data, options(22), 4);
    if (i % 2 == 0) loader.next();
  }
}

TEST_F(LoaderTest, RefusesBatchesThatDoNotFit) {
  const TrainingData data = open();
  EXPECT_THROW(Loader(data, options(5, 0, 0, 2), 1), Error);
  EXPECT_THROW(Loader(data, options(27), 1), Error);
}

}  // namespace
}  // namespace msn
