// SPDX-License-Identifier: Apache-2.0
// Sizes that the recordings have not: views of any size, against a plain form of the same arithmetic.
#include "data/views.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "data/input_benchmark.hpp"
#include "data_support.hpp"
#include "replay.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

Image noise(int width, int height, std::uint64_t seed) {
  RandomStream stream(seed, 0, 0, 0, Purpose::crop);
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  for (std::uint8_t& level : image.rgb)
    level = static_cast<std::uint8_t>(stream.below(256));
  return image;
}

double filter(double t, Interpolation interpolation) {
  t = std::abs(t);
  if (interpolation == Interpolation::bilinear) return t < 1 ? 1 - t : 0;
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * -0.5 : 0;
}

/// One axis of Pillow's resize, pixel by pixel: `get(i)` is the level at input i.
template <class Get>
int resample(int in, int out, int o, Interpolation interpolation, Get get) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);
  const double support = (interpolation == Interpolation::bicubic ? 2.0 : 1.0) * stretch;
  const double centre = (o + 0.5) * scale;
  const int low = std::max(0, static_cast<int>(centre - support + 0.5));
  const int high = std::min(in, static_cast<int>(centre + support + 0.5));
  double total = 0;
  for (int i = low; i < high; ++i)
    total += filter((i - centre + 0.5) / stretch, interpolation);
  std::int64_t sum = 1 << 21;
  for (int i = low; i < high; ++i) {
    const double weight = filter((i - centre + 0.5) / stretch, interpolation) / total * (1 << 22);
    sum += static_cast<std::int64_t>(weight < 0 ? weight - 0.5 : weight + 0.5) * get(i);
  }
  return static_cast<int>(std::clamp<std::int64_t>(sum >> 22, 0, 255));
}

/// Rows of one channel.
using Channel = std::vector<std::vector<int>>;

Channel resize_width(const Channel& in, int width, Interpolation interpolation) {
  Channel out;
  for (const std::vector<int>& row : in) {
    auto& line = out.emplace_back();
    for (int x = 0; x < width; ++x)
      line.push_back(resample(static_cast<int>(row.size()), width, x, interpolation,
                              [&](int i) { return row[static_cast<std::size_t>(i)]; }));
  }
  return out;
}

Channel transposed(const Channel& in) {
  Channel out(in.front().size(), std::vector<int>(in.size()));
  for (std::size_t y = 0; y < in.size(); ++y) {
    for (std::size_t x = 0; x < in[y].size(); ++x)
      out[x][y] = in[y][x];
  }
  return out;
}

Channel expected_crop(const Image& image, std::size_t channel, const CropBox& box, const ResizeTo& to) {
  Channel rows;
  for (int y = box.top; y < box.top + box.height; ++y) {
    auto& row = rows.emplace_back();
    for (int x = box.left; x < box.left + box.width; ++x)
      row.push_back(image.rgb[static_cast<std::size_t>(3 * (y * image.width + x)) + channel]);
  }
  const bool wide = box.width != to.width, high = box.height != to.height;
  const auto horizontal = [&] {
    if (wide) rows = resize_width(rows, to.width, to.interpolation);
  };
  const auto vertical = [&] {
    if (high) rows = transposed(resize_width(transposed(rows), to.height, to.interpolation));
  };
  const bool vertical_first = to.order == ResizeOrder::pillow13 && wide && box.height > to.height &&
                              box.height - to.height > 2 * (box.width - to.width);
  if (vertical_first) vertical();
  horizontal();
  if (!vertical_first) vertical();
  if (to.flip) {
    for (auto& row : rows)
      std::reverse(row.begin(), row.end());
  }
  return rows;
}

TEST(Views, CropsOfAnySizeFollowTheFormula) {
  RandomStream stream(3, 0, 0, 0, Purpose::crop);
  const auto up_to = [&](int most) { return 1 + static_cast<int>(stream.below(static_cast<std::uint32_t>(most))); };
  for (int round = 0; round < 300; ++round) {
    const Image image = noise(up_to(90), up_to(90), static_cast<std::uint64_t>(round));
    CropBox box{0, 0, up_to(image.height), up_to(image.width)};
    box.top = up_to(image.height - box.height + 1) - 1;
    box.left = up_to(image.width - box.width + 1) - 1;
    ResizeTo to{up_to(70), up_to(70), static_cast<Interpolation>(stream.below(2)),
                static_cast<ResizeOrder>(stream.below(2)), stream.chance(0.5)};
    if (round % 10 == 0) to.width = box.width;  // A pass that is left out.
    if (round % 15 == 0) to.height = box.height;
    for (const PixelKernels* kernels : test::all_kernels()) {
      TurnedImage turned;
      turned.assign(image, *kernels);
      Planes out;
      Resizer(*kernels).resized_crop(turned, box, to, out);
      for (std::size_t c = 0; c < 3; ++c) {
        const Channel expected = expected_crop(image, c, box, to);
        for (int y = 0; y < to.height; ++y) {
          for (int x = 0; x < to.width; ++x) {
            const auto row = static_cast<std::size_t>(y), column = static_cast<std::size_t>(x);
            ASSERT_EQ(out.plane(c)[row * static_cast<std::size_t>(to.width) + column], expected[row][column])
                << kernels->name << " round " << round << " channel " << c << " row " << y << " column " << x;
          }
        }
      }
    }
  }
}

/// Every operation at once, at sizes that fill no vector, in scratch that larger and smaller views have used before.
TEST(Views, AllKernelsAgreeAtAnySize) {
  ViewsConfig config;
  config.resize_order = ResizeOrder::pillow13;
  std::vector<ViewMaker> makers;
  for (const PixelKernels* kernels : test::all_kernels())
    makers.emplace_back(config, *kernels);
  const Image image = noise(83, 61, 1);
  TurnedImage turned;
  turned.assign(image);
  for (int size = 1; size < 75; ++size) {
    ViewParameters view = draw_view(config, image.width, image.height, {1, 0, static_cast<std::uint64_t>(size), 2});
    view.jitter = view.blur = true;
    for (const float radius : {0.05f, 0.7f, 1.7f, 3.3f}) {
      view.radius = radius;
      const Image first = to_image(makers.front().make(turned, view, size));
      for (ViewMaker& maker : makers)
        ASSERT_EQ(to_image(maker.make(turned, view, size)).rgb, first.rgb) << "size " << size << " radius " << radius;
    }
  }
}

TEST(Normaliser, WritesVisiblePatchesInTheOrderOfThePatchEmbedding) {
  const Planes view = to_planes(noise(11, 9, 2));
  const Normaliser normaliser({0.5, 0.4, 0.3}, {0.2, 0.25, 0.3});
  std::vector<float> planes(3 * view.pixels());
  normaliser.write_planes(view, planes);
  const std::vector<std::int64_t> kept{4, 0, 5};  // Of a grid of 3 rows and 3 columns.
  std::vector<float> rows(kept.size() * 3 * 3 * 3);
  normaliser.write_patch_rows(view, 3, kept, rows);
  std::size_t at = 0;
  for (const std::int64_t patch : kept) {
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t y = 0; y < 3; ++y) {
        for (std::size_t x = 0; x < 3; ++x, ++at) {
          const std::size_t row = 3 * static_cast<std::size_t>(patch / 3) + y;
          const std::size_t column = 3 * static_cast<std::size_t>(patch % 3) + x;
          EXPECT_EQ(rows[at], planes[(c * 9 + row) * 11 + column]);
        }
      }
    }
  }
  std::vector<float> one(3 * 3 * 3);
  EXPECT_THROW(normaliser.write_patch_rows(view, 3, std::vector<std::int64_t>{9}, one), Error);
  EXPECT_THROW(normaliser.write_patch_rows(view, 3, kept, one), Error);
}

TEST(InputBenchmark, TimesEveryStage) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 3, 4);
  test::pack_folder(dir / "in", dir / "out");
  const DataSet set(dir / "out");
  Config config;
  config.views.random_size = 32;
  config.views.focal_size = 16;
  config.model.patch_size = 8;
  const InputBenchmark result = benchmark_input(set, config, 5, 2, 2);
  EXPECT_EQ(result.images, 5u);
  EXPECT_EQ(result.kernels, pixel_kernels().name);
  ASSERT_EQ(result.stages.size(), 12u);
  for (const StageCost& stage : result.stages)
    EXPECT_GT(stage.cpu_seconds, 0) << stage.name;
  for (const PipelineRate& rate : {result.pixels, result.patch_rows}) {
    EXPECT_GT(rate.wall_seconds, 0);
    EXPECT_GT(rate.cpu_seconds, 0);
  }
  EXPECT_EQ(benchmark_input(set, config, 100, 1, 1).images, 12u);
}

}  // namespace
}  // namespace msn
