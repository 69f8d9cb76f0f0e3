// SPDX-License-Identifier: Apache-2.0
#include "data/synthetic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(Synthetic, ParsesItsOptions) {
  EXPECT_TRUE(is_synthetic("synthetic:shapes"));
  EXPECT_FALSE(is_synthetic("folder/synthetic"));
  EXPECT_EQ(parse_synthetic("synthetic:shapes").size, 32);
  const SyntheticSpec spec = parse_synthetic("synthetic:shapes?images=12&size=24&seed=9");
  EXPECT_EQ(spec.images, 12u);
  EXPECT_EQ(spec.size, 24);
  EXPECT_EQ(spec.seed, 9u);
  for (const char* bad : {"synthetic:", "synthetic:blobs", "synthetic:shapes?count=3", "synthetic:shapes?size=x",
                          "synthetic:shapes?size=2", "synthetic:shapes?images=0", "synthetic:shapes?images"}) {
    try {
      parse_synthetic(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
    }
  }
}

TEST(Synthetic, IsAPureFunction) {
  const SyntheticSpec spec{20, 32, 3};
  EXPECT_EQ(draw_synthetic(spec, 7).rgb, draw_synthetic(spec, 7).rgb);
  EXPECT_NE(draw_synthetic(spec, 7).rgb, draw_synthetic(spec, 16).rgb);
  EXPECT_NE(draw_synthetic(spec, 7).rgb, draw_synthetic({20, 32, 4}, 7).rgb);
  EXPECT_EQ(synthetic_name(13), "dots/000013.jpg");
  EXPECT_TRUE(std::is_sorted(synthetic_classes().begin(), synthetic_classes().end()));
}

TEST(Synthetic, PacksTheSameForAnyNumberOfWorkers) {
  const test::TempDir dir;
  std::vector<std::string> fingerprints;
  for (const int workers : {1, 3}) {
    PackOptions options;
    options.inputs = {"synthetic:shapes?images=40&size=24"};
    options.output = dir / std::to_string(workers);
    options.workers = workers;
    const PackReport report = pack(options);
    EXPECT_EQ(report.manifest.count, 40u);
    EXPECT_EQ(report.manifest.classes, synthetic_classes());
    EXPECT_EQ(report.manifest.duplicates, 0u);
    fingerprints.push_back(report.manifest.fingerprint);
  }
  EXPECT_EQ(fingerprints[0], fingerprints[1]);
}

// Nearest neighbours by pixels (cosine of centred pixels, as a strong simple baseline) must do badly: the shapes are to
// be learnt, not matched.
TEST(Synthetic, PixelsDoNotTellTheClass) {
  constexpr std::uint64_t train = 1500, test = 300;
  constexpr int size = 24;
  const auto pixels = [](const SyntheticSpec& spec, std::uint64_t index) {
    const Image image = draw_synthetic(spec, index);
    std::vector<float> values(image.rgb.begin(), image.rgb.end());
    float mean = 0, norm = 0;
    for (const float value : values)
      mean += value / static_cast<float>(values.size());
    for (float& value : values)
      value -= mean;
    for (const float value : values)
      norm += value * value;
    for (float& value : values)
      value /= std::sqrt(norm);
    return values;
  };
  std::vector<std::vector<float>> known;
  for (std::uint64_t i = 0; i < train; ++i)
    known.push_back(pixels({train, size, 1}, i));
  std::uint64_t right = 0;
  for (std::uint64_t i = 0; i < test; ++i) {
    const std::vector<float> query = pixels({test, size, 2}, i);
    std::vector<std::pair<float, int>> near;
    for (std::uint64_t k = 0; k < train; ++k) {
      float product = 0;
      for (std::size_t j = 0; j < query.size(); ++j)
        product += query[j] * known[k][j];
      near.emplace_back(-product, synthetic_label(k));
    }
    std::partial_sort(near.begin(), near.begin() + 10, near.end());
    std::array<int, 10> votes{};
    for (int k = 0; k < 10; ++k)
      ++votes[static_cast<std::size_t>(near[static_cast<std::size_t>(k)].second)];
    right += std::max_element(votes.begin(), votes.end()) - votes.begin() == synthetic_label(i);
  }
  const double accuracy = static_cast<double>(right) / test;
  RecordProperty("accuracy", std::to_string(accuracy));
  EXPECT_LT(accuracy, 0.35) << "ten classes";
}

}  // namespace
}  // namespace msn
