// SPDX-License-Identifier: Apache-2.0
#include "evaluate/training_views.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/decode.hpp"
#include "data/pack.hpp"
#include "data/views.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

/// A packed set of the built-in pictures.
class Set {
 public:
  explicit Set(int images) {
    PackOptions options;
    options.inputs = {"synthetic:shapes?images=" + std::to_string(images) + "&size=40&seed=1"};
    options.output = dir_ / "set";
    pack(options);
  }
  std::filesystem::path path() const { return dir_ / "set"; }

 private:
  test::TempDir dir_;
};

TEST(TrainingViews, AreAFunctionOfSeedEpochAndSampleAlone) {
  const Set packed(9);
  const DataSet set(packed.path());
  const ViewsConfig config;
  Augmentation augmentation;
  augmentation.seed = 8;
  const TrainingViews views(set, config, 24, augmentation, 1), threads(set, config, 24, augmentation, 3);
  const std::vector<std::uint64_t> samples{4, 0, 8, 3}, one{8};
  const at::Tensor images = views.make(2, samples);
  EXPECT_EQ(images.sizes(), (std::vector<std::int64_t>{4, 3, 24, 24}));
  EXPECT_TRUE(images.equal(threads.make(2, samples)));
  EXPECT_TRUE(images[2].equal(views.make(2, one)[0]));
  EXPECT_FALSE(images[2].equal(views.make(3, one)[0]));
  augmentation.seed = 9;
  EXPECT_FALSE(images[2].equal(TrainingViews(set, config, 24, augmentation, 1).make(2, one)[0]));
}

TEST(TrainingViews, AreCroppedFlippedAndNormalised) {
  const Set packed(5);
  const DataSet set(packed.path());
  ViewsConfig config;
  config.interpolation = Interpolation::bicubic;
  const Augmentation augmentation{.scale = {0.2, 0.9}, .flip = 0.5, .seed = 8};
  int flips = 0;
  for (std::uint64_t sample = 0; sample < 5; ++sample) {
    const Image image = decode(set.read(sample));
    ViewParameters expected;
    RandomStream crop(8, 1, sample, kClassifierView, Purpose::crop);
    expected.crop = draw_crop(crop, image.width, image.height, {0.2, 0.9});
    expected.flip = RandomStream(8, 1, sample, kClassifierView, Purpose::flip).chance(0.5);
    flips += expected.flip ? 1 : 0;
    std::vector<float> pixels(3 * 16 * 16);
    normalise(make_view(image, expected, 16, config), config, pixels);
    const std::vector<std::uint64_t> one{sample};
    const at::Tensor got = TrainingViews(set, config, 16, augmentation, 1).make(1, one);
    EXPECT_EQ(std::vector<float>(got.const_data_ptr<float>(), got.const_data_ptr<float>() + got.numel()), pixels);
  }
  EXPECT_GT(flips, 0);
  EXPECT_LT(flips, 5);
}

TEST(TrainingViews, NameAnImageThatCannotBeRead) {
  const Set packed(3);
  const DataSet set(packed.path());
  const std::filesystem::path shard = set.shards().front().path();
  {
    // The last byte of the last image, which its checksum covers.
    std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
    const std::vector<std::byte> bytes = set.read(2);
    const std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const std::string image(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t place = content.find(image);
    ASSERT_NE(place, std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(place + image.size() - 1));
    file.put(static_cast<char>(image.back() ^ 1));
  }
  const std::vector<std::uint64_t> samples{0, 1, 2};
  EXPECT_NE(test::refusal([&] { TrainingViews(set, {}, 16, {}, 2).make(0, samples); }).find("sample 2 "),
            std::string::npos);
}

}  // namespace
}  // namespace msn
