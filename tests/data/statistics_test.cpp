// SPDX-License-Identifier: Apache-2.0
#include "data/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "data/encode_png.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

Image plain(int width, int height, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  Image image{width, height, {}};
  for (int i = 0; i < width * height; ++i)
    image.rgb.insert(image.rgb.end(), {r, g, b});
  return image;
}

/// Packs pictures and opens the set.
DataSet packed(const test::TempDir& dir, const std::vector<Image>& images) {
  for (std::size_t i = 0; i < images.size(); ++i) {
    test::write_file(dir / "in" / ("image" + std::to_string(100 + i) + ".png"), encode_png(images[i]));
  }
  test::pack_folder(dir / "in", dir / "set");
  return DataSet(dir / "set");
}

std::uint64_t images_of(const std::vector<Bin>& bins, const std::string& name) {
  const auto found = std::find_if(bins.begin(), bins.end(), [&](const Bin& bin) { return bin.name == name; });
  return found == bins.end() ? 0 : found->images;
}

TEST(ChannelStatistics, WeighPixelsAlikeNotImages) {
  const test::TempDir dir;
  // 100 pixels of (0, 51, 255) and 300 of (255, 51, 0).
  const DataSet set = packed(dir, {plain(10, 10, 0, 51, 255), plain(30, 10, 255, 51, 0)});
  const ChannelStatistics s = channel_statistics(set, {});
  EXPECT_EQ(s.images, 2u);
  EXPECT_EQ(s.pixels, 400u);
  EXPECT_DOUBLE_EQ(s.mean[0], 0.75);
  EXPECT_DOUBLE_EQ(s.mean[1], 0.2);
  EXPECT_DOUBLE_EQ(s.mean[2], 0.25);
  EXPECT_DOUBLE_EQ(s.std[0], std::sqrt(0.75 * 0.25));
  EXPECT_DOUBLE_EQ(s.std[1], 0);
  EXPECT_DOUBLE_EQ(s.std[2], std::sqrt(0.75 * 0.25));
}

TEST(ChannelStatistics, DoNotDependOnWorkers) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 3, 7);
  test::pack_folder(dir / "in", dir / "set");
  const DataSet set(dir / "set");
  StatisticsOptions options;
  const ChannelStatistics one = channel_statistics(set, options);
  options.workers = 5;
  std::uint64_t calls = 0;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 21u);
  };
  const ChannelStatistics five = channel_statistics(set, options);
  EXPECT_EQ(one.mean, five.mean);
  EXPECT_EQ(one.std, five.std);
  EXPECT_EQ(calls, 21u);
}

TEST(ChannelStatistics, TakeEvenlySpacedImages) {
  const test::TempDir dir;
  std::vector<Image> images;
  for (int i = 0; i < 10; ++i)
    images.push_back(plain(4, 4, static_cast<std::uint8_t>(10 * i), 0, 0));
  const DataSet set = packed(dir, images);
  StatisticsOptions options;
  options.sample = 4;  // 0, 2, 5 and 7 of 10.
  const ChannelStatistics s = channel_statistics(set, options);
  EXPECT_EQ(s.images, 4u);
  EXPECT_DOUBLE_EQ(s.mean[0], (0 + 20 + 50 + 70) / 4.0 / 255);
  options.sample = 1000;
  EXPECT_EQ(channel_statistics(set, options).images, 10u);
}

TEST(Histograms, CountEveryImageOnce) {
  const test::TempDir dir;
  const DataSet set = packed(dir, {plain(47, 47, 0, 0, 0), plain(100, 48, 0, 0, 0), plain(63, 64, 0, 0, 0),
                                   plain(64, 96, 0, 0, 0), plain(400, 300, 0, 0, 0), plain(375, 500, 0, 0, 0)});
  const std::vector<Bin> sides = short_side_histogram(set);
  EXPECT_EQ(sides.front().name, "32-47");
  EXPECT_EQ(sides.back().name, "256-383");
  ASSERT_EQ(sides.size(), 7u);  // 32, 48, 64, 96, 128, 192, 256.
  EXPECT_EQ(images_of(sides, "32-47"), 1u);
  EXPECT_EQ(images_of(sides, "48-63"), 2u);
  EXPECT_EQ(images_of(sides, "64-95"), 1u);
  EXPECT_EQ(images_of(sides, "96-127"), 0u);
  EXPECT_EQ(images_of(sides, "256-383"), 2u);

  const std::vector<Bin> shapes = aspect_histogram(set);
  ASSERT_EQ(shapes.size(), 9u);
  EXPECT_EQ(images_of(shapes, "9:10 to 10:9"), 2u);
  EXPECT_EQ(images_of(shapes, "3:5 to 5:7"), 1u);   // 64 x 96
  EXPECT_EQ(images_of(shapes, "5:7 to 9:10"), 1u);  // 375 x 500
  EXPECT_EQ(images_of(shapes, "10:9 to 7:5"), 1u);  // 400 x 300
  EXPECT_EQ(images_of(shapes, "5:3 to 5:2"), 1u);   // 100 x 48
}

TEST(Histograms, BinsOfVerySmallImages) {
  const test::TempDir dir;
  const DataSet set = packed(dir, {plain(1, 9, 0, 0, 0), plain(2, 2, 0, 0, 0), plain(5, 3, 0, 0, 0),
                                   plain(5, 5, 0, 0, 0), plain(40, 6, 0, 0, 0)});
  std::string names;
  for (const Bin& bin : short_side_histogram(set))
    names += bin.name + "=" + std::to_string(bin.images) + " ";
  EXPECT_EQ(names, "1=1 2=1 3=1 4-5=1 6-7=1 ");
  const std::vector<Bin> shapes = aspect_histogram(set);
  EXPECT_EQ(images_of(shapes, "below 2:5"), 1u);
  EXPECT_EQ(images_of(shapes, "5:2 and above"), 1u);
  EXPECT_EQ(images_of(shapes, "5:3 to 5:2"), 1u);  // A bound belongs to the bin above it.
}

TEST(ChannelStatistics, NameADamagedImage) {
  const test::TempDir dir;
  const DataSet set = packed(dir, {plain(4, 4, 1, 2, 3), plain(40, 40, 9, 9, 9)});
  const FileHandle file(set.shards()[0].path(), 2 /* O_RDWR */);
  const std::string text = read_text(set.shards()[0].path());
  const std::byte wrong{0};
  file.write_at(std::span(&wrong, 1), text.find("IDAT", text.find("IDAT") + 1));
  test::expect_data_error([&] { channel_statistics(set, {}); }, {"image101.png", "checksum"});
}

}  // namespace
}  // namespace msn
