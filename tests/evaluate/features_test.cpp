// SPDX-License-Identifier: Apache-2.0
#include "evaluate/features.hpp"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/from_blob.h>

#include <numeric>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "data/pack.hpp"
#include "data/read_image.hpp"
#include "data/resize.hpp"
#include "data/views.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

Config config_of(int size) {
  Config config;
  config.model.image_size = size;
  return config;
}

/// A network whose batches hold 20 images: 4096 / (1 + 14²).
Config network_config() {
  return parse_config(
      "[model]\nwidth = 32\ndepth = 3\nheads = 2\npatch_size = 4\nimage_size = 56\nhead_hidden = 8\nhead_out = 8\n",
      "here");
}

/// Every rank packs its own copy.
struct Pictures {
  explicit Pictures(int count) {
    PackOptions options;
    options.inputs = {"synthetic:shapes?images=" + std::to_string(count) + "&size=40&seed=1"};
    options.output = dir / "set";
    pack(options);
  }
  test::TempDir dir;
};

std::string hash_of(const at::Tensor& values) {
  return hash_hex(std::span(static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()));
}

TEST(Features, AreThoseOfEachImageInOrder) {
  const Pictures pictures(13);
  const DataSet set(pictures.dir / "set");
  FeatureMaker maker = pixel_features(config_of(32));
  maker.batch = 2;
  const std::vector<std::uint64_t> samples{0, 2, 3, 7, 8, 11, 12};
  const FeatureRows rows = extract_features(test::world(), images_of(set, samples), maker, {});
  ASSERT_EQ(rows.values.sizes(), (at::IntArrayRef{7, 3 * 32 * 32}));
  EXPECT_TRUE(rows.unread.empty());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::vector<float> pixels(3 * 32 * 32);
    evaluation_view(read_image(set, samples[i]), maker.config, pixels);
    const float* row = rows.values.const_data_ptr<float>() + i * pixels.size();
    EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), row)) << i;
  }
}

// 45 images are two whole batches and one of 5.
TEST(Features, HaveTheSameBitsForAnyNumberOfRanksAndThreads) {
  const Pictures pictures(45);
  const DataSet set(pictures.dir / "set");
  std::vector<std::uint64_t> samples(45);
  std::iota(samples.begin(), samples.end(), 0);
  const auto encoder = std::make_shared<Encoder>(Encoder::random(network_config()));
  const FeatureMaker maker = network_features(encoder, {ClassToken::before_norm, 0, 2});
  ASSERT_EQ(maker.batch, 20);
  std::uint64_t done = 0;
  const at::Tensor alone = extract_features(World::alone(), images_of(set, samples), maker,
                                            {.threads = 1,
                                             .progress =
                                                 [&](std::uint64_t now, std::uint64_t total) {
                                                   EXPECT_EQ(total, 45u);
                                                   done = now;
                                                 }})
                               .values;
  EXPECT_EQ(done, 45u);
  const int threads = at::get_num_threads();
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    const at::Tensor shared =
        extract_features(test::world(), images_of(set, samples), maker, {.threads = count}).values;
    EXPECT_EQ(hash_of(shared), hash_of(alone)) << count << " threads";
  }
  at::set_num_threads(threads);
  // The whole set at once gives the same to rounding.
  std::vector<float> pixels(3 * 56 * 56);
  evaluation_view(read_image(set, 44), maker.config, pixels);
  const at::Tensor view = at::from_blob(pixels.data(), {1, 3, 56, 56}, at::kFloat);
  EXPECT_TRUE(at::allclose(encoder->features(view, {ClassToken::before_norm, 0, 2})[0], alone[44], 1e-4, 1e-5));
}

ImageSource some_bad(std::uint64_t count) {
  return {count, [](std::uint64_t index) {
            if (index % 5 == 3) throw data_error("broken", "image " + std::to_string(index), "mend it");
            return Image{8, 8, std::vector<std::uint8_t>(3 * 8 * 8, static_cast<std::uint8_t>(index + 1))};
          }};
}

TEST(Features, TellWhichImagesCouldNotBeHad) {
  FeatureMaker maker = pixel_features(config_of(8));
  maker.batch = 2;
  const FeatureRows rows = extract_features(test::world(), some_bad(11), maker, {.on_bad = OnBad::skip});
  ASSERT_EQ(rows.unread.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rows.unread[i].index, 5 * i + 3);
    EXPECT_EQ(rows.unread[i].error.where(), "image " + std::to_string(5 * i + 3));
    EXPECT_EQ(rows.unread[i].error.remedy(), "mend it");
    EXPECT_EQ(rows.unread[i].error.code(), ExitCode::data);
  }
  for (std::int64_t i = 0; i < 11; ++i)
    EXPECT_EQ(rows.values[i].abs().max().item<float>() == 0, i % 5 == 3) << i;
}

TEST(Features, EndWithTheFirstBadImageOfARank) {
  FeatureMaker maker = pixel_features(config_of(8));
  maker.batch = 2;
  try {
    features_of_rank(World::alone(), some_bad(11), maker, {});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "image 3");
  }
}

TEST(Features, OfNoImagesAreNone) {
  const FeatureRows rows = extract_features(test::world(), some_bad(0), pixel_features(config_of(8)), {});
  EXPECT_EQ(rows.values.sizes(), (at::IntArrayRef{0, 192}));
}

TEST(EvaluationView, ResizesLargerImagesAndTakesTheModelsOwnSizeWhole) {
  Image image{40, 40, std::vector<std::uint8_t>(3 * 40 * 40)};
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<std::uint8_t>(i * 7);
  const auto view = [&](int size) {
    std::vector<float> pixels(static_cast<std::size_t>(3 * size * size));
    evaluation_view(image, config_of(size), pixels);
    return pixels;
  };
  const auto expected = [&](int size, int resized) {
    const Config config = config_of(size);
    std::vector<float> pixels(static_cast<std::size_t>(3 * size * size));
    normalise(resize_and_centre_crop(image, resized, size, config.views.interpolation, config.views.resize_order),
              config.views, pixels);
    return pixels;
  };
  EXPECT_EQ(view(32), expected(32, 37));  // 32 * 256 / 224 = 36.6
  EXPECT_EQ(view(40), expected(40, 40));
}

TEST(Encoder, IsKnownByItsWeightsAndSizes) {
  Config config = network_config();
  const std::string identity = Encoder::random(config).identity();
  EXPECT_EQ(Encoder::random(config).identity(), identity);
  config.train.seed = 1;
  EXPECT_NE(Encoder::random(config).identity(), identity);
  config = network_config();
  config.model.heads = 4;
  EXPECT_NE(Encoder::random(config).identity(), identity);
}

TEST(Encoder, RefusesBlocksThatTheModelDoesNotHave) {
  const ModelConfig model = network_config().model;
  check_choice({ClassToken::after_norm, 3, 3}, model);
  for (const TokenChoice& choice :
       {TokenChoice{ClassToken::after_norm, 4, 1}, TokenChoice{ClassToken::after_norm, 2, 3},
        TokenChoice{ClassToken::after_norm, 0, 4}}) {
    try {
      check_choice(choice, model);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_NE(std::string(error.what()).find("the model has 3 blocks"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace msn
