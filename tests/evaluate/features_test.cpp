// SPDX-License-Identifier: Apache-2.0
#include "evaluate/features.hpp"

#include <ATen/TensorOperators.h>

#include <string>
#include <vector>

#include "data/decode.hpp"
#include "data/pack.hpp"
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

at::Tensor means(const at::Tensor& images) {
  return images.mean({2, 3});
}

// 7 samples with stride 2 over 1 or 3 ranks: shares of unequal length.
TEST(Features, AreTheSameRowsForAnyNumberOfRanks) {
  const World& world = test::world();
  const test::TempDir dir;  // Every rank packs its own copy.
  PackOptions options;
  options.inputs = {"synthetic:shapes?images=13&size=40&seed=1"};
  options.output = dir / "set";
  pack(options);
  const DataSet set(dir / "set");
  const Config config = config_of(32);
  const Features features = extract_features(world, set, 2, config, 1, means);
  ASSERT_EQ(features.values.size(0), 7);
  ASSERT_EQ(features.labels.size(), 7u);
  for (std::int64_t i = 0; i < 7; ++i) {
    const auto sample = static_cast<std::uint64_t>(2 * i);
    std::vector<float> pixels(3 * 32 * 32);
    evaluation_view(decode(set.read(sample)), config, pixels);
    double sum = 0;
    for (std::size_t p = 0; p < 1024; ++p)
      sum += pixels[p];
    EXPECT_NEAR(features.values[i][0].item<double>(), sum / 1024, 1e-5) << i;
    EXPECT_EQ(features.labels[static_cast<std::size_t>(i)], set.label(sample));
  }
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

}  // namespace
}  // namespace msn
