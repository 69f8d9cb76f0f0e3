// SPDX-License-Identifier: Apache-2.0
// The views that Kokkos makes from a plan against those of the processor: the same bits.
#include "data/views.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "data/view_plan.hpp"
#include "device_memory.hpp"

namespace msn {
namespace {

using kernels::Bf16;
using kernels::device::ViewTargets;
using kernels::device::ViewTask;

using Random = std::mt19937_64;

constexpr std::uint64_t never_cut = 1 << 20;

int between(Random& random, int least, int most) {
  return least + static_cast<int>(random() % static_cast<unsigned>(most - least + 1));
}

Image random_image(Random& random, int width, int height) {
  Image image{width, height, {}};
  const auto noise = static_cast<unsigned>(between(random, 1, 255));
  for (std::size_t i = 0; i < 3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height); ++i)
    image.rgb.push_back(static_cast<std::uint8_t>(i / 7 + random() % noise));
  return image;
}

float as_float(float value) {
  return value;
}
float as_float(double value) {
  return static_cast<float>(value);
}
float as_float(Bf16 value) {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}

/// The number in the type, exactly if `value` is one of it.
template <class T>
T to(float value) {
  return static_cast<T>(value);
}
template <>
Bf16 to<Bf16>(float value) {
  return {static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16)};
}

/// What views are made of, and of what size, for a batch of images.
struct Case {
  ViewsConfig views;
  int patch = 1;
  std::vector<Image> images;
  std::vector<std::vector<ViewParameters>> parameters;  ///< [image][view]
  std::vector<std::uint32_t> normalisers;               ///< [image]: 0 or 1.
};

/// Levels that are exact in every type: the level itself, or 255 minus it.
std::array<float, 768> exact_levels(std::uint32_t normaliser) {
  std::array<float, 768> levels;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto level = static_cast<float>(i % 256);
    levels[i] = normaliser == 0 ? level : 255 - level;
  }
  return levels;
}

/// All patches of every view of a case, made by the kernel: [group][image][patch][value].
template <class T>
std::array<std::vector<T>, 3> made_by_kernel(const Case& what, std::uint64_t most_times) {
  const std::size_t samples = what.images.size();
  ViewPlan plan;
  plan.begin(static_cast<std::size_t>(view_count(what.views)) * samples);
  ViewPlanner planner(what.views, most_times);
  for (std::size_t i = samples; i-- > 0;) {  // The order does not matter.
    const PlannedImage& image = planner.plan(what.images[i], what.parameters[i], what.normalisers[i]);
    write(plan, reserve(plan, image), image, i, samples);
  }
  std::vector<std::uint8_t> pixels(plan.pixels.end());
  for (const PixelBlocks::Block& block : plan.pixels.blocks())
    std::copy(block.bytes.begin(), block.bytes.end(), pixels.begin() + static_cast<std::ptrdiff_t>(block.offset));
  std::vector<T> levels;
  for (std::uint32_t normaliser = 0; normaliser < 2; ++normaliser) {
    for (const float level : exact_levels(normaliser))
      levels.push_back(to<T>(level));
  }
  std::vector<test::DeviceArray<T>> rows;
  ViewTargets<T> targets;
  for (std::size_t g = 0; g < 3; ++g) {
    const int views = g == 0 ? 1 : g == 1 ? what.views.random : what.views.focal;
    const int grid = (g < 2 ? what.views.random_size : what.views.focal_size) / what.patch;
    targets[g].visible = grid * grid;
    rows.emplace_back(std::int64_t{views} * static_cast<std::int64_t>(samples) * grid * grid * 3 * what.patch *
                      what.patch);
    targets[g].rows = rows[g].data();
  }
  const test::DeviceArray<std::uint8_t> there(pixels), scratch(static_cast<std::int64_t>(plan.scratch_bytes));
  const test::DeviceArray<ViewTask> tasks(std::vector(plan.tasks.begin(), plan.tasks.end()));
  const test::DeviceArray<std::int32_t> taps(std::vector(plan.taps.begin(), plan.taps.end()));
  const test::DeviceArray<T> tables(levels);
  kernels::device::make_views<T>(
      {there.data(), tasks.data(), static_cast<std::int32_t>(plan.tasks.size()), taps.data(), tables.data()},
      what.patch, targets, scratch.data(), nullptr);
  return {rows[0].host(), rows[1].host(), rows[2].host()};
}

/// The same by the processor's own path.
std::array<std::vector<float>, 3> made_by_processor(const Case& what) {
  std::array<std::vector<float>, 3> rows;
  for (int v = 0; v < view_count(what.views); ++v) {
    const int size = view_size(what.views, v), grid = size / what.patch;
    for (std::size_t i = 0; i < what.images.size(); ++i) {
      const Planes view = make_view(what.images[i], what.parameters[i][static_cast<std::size_t>(v)], size, what.views);
      const std::array<float, 768> levels = exact_levels(what.normalisers[i]);
      auto& group = rows[v == 0 ? 0 : v <= what.views.random ? 1 : 2];
      for (int number = 0; number < grid * grid; ++number) {
        for (std::size_t c = 0; c < 3; ++c) {
          for (int y = 0; y < what.patch; ++y) {
            for (int x = 0; x < what.patch; ++x) {
              const int at = (number / grid * what.patch + y) * size + number % grid * what.patch + x;
              group.push_back(levels[c * 256 + view.plane(c)[static_cast<std::size_t>(at)]]);
            }
          }
        }
      }
    }
  }
  return rows;
}

/// Counts values that differ, so that a failure is one line.
template <class T>
void expect_same(const Case& what, const std::string& name, std::uint64_t most_times = never_cut) {
  const auto expected = made_by_processor(what);
  const auto made = made_by_kernel<T>(what, most_times);
  for (std::size_t g = 0; g < 3; ++g) {
    ASSERT_EQ(made[g].size(), expected[g].size()) << name << ", group " << g;
    std::size_t different = 0;
    for (std::size_t i = 0; i < made[g].size(); ++i)
      different += as_float(made[g][i]) != expected[g][i];
    EXPECT_EQ(different, 0u) << name << ", group " << g << " of " << made[g].size() << " values";
  }
}

ViewParameters random_parameters(Random& random, const Image& image) {
  const auto uniform = [&](double least, double most) {
    return least + (most - least) * (static_cast<double>(random() >> 11) * 0x1p-53);
  };
  ViewParameters view;
  view.crop.height = between(random, 1, image.height);
  view.crop.width = between(random, 1, image.width);
  view.crop.top = between(random, 0, image.height - view.crop.height);
  view.crop.left = between(random, 0, image.width - view.crop.width);
  view.flip = random() % 2 == 0;
  view.jitter = random() % 4 != 0;
  std::array<ColourOperation, 4> order{ColourOperation::brightness, ColourOperation::contrast,
                                       ColourOperation::saturation, ColourOperation::hue};
  std::shuffle(order.begin(), order.end(), random);
  view.order = order;
  for (std::size_t i = 0; i < 3; ++i)
    view.factors[i] = uniform(0, 2);
  view.factors[3] = uniform(-0.5, 0.5);
  view.grayscale = random() % 4 == 0;
  view.blur = random() % 2 == 0;
  view.radius = static_cast<float>(random() % 8 == 0 ? uniform(2, 9) : uniform(0.1, 2));
  return view;
}

Case random_case(Random& random) {
  Case what;
  what.views.random = between(random, 1, 2);
  what.views.focal = between(random, 0, 2);
  what.views.random_size = between(random, 1, 72);
  what.views.focal_size = between(random, 1, 40);
  what.views.interpolation = random() % 2 == 0 ? Interpolation::bicubic : Interpolation::bilinear;
  what.views.resize_order = random() % 2 == 0 ? ResizeOrder::pillow13 : ResizeOrder::horizontal;
  // Often one that does not divide a view.
  what.patch = between(random, 1, std::min({what.views.random_size, what.views.focal_size, 7}));
  const int images = between(random, 1, 2);
  for (int i = 0; i < images; ++i) {
    const bool odd = random() % 4 == 0;
    what.images.push_back(random_image(random, odd ? between(random, 1, 4) : between(random, 1, 300),
                                       odd && random() % 2 == 0 ? between(random, 1, 4) : between(random, 1, 300)));
    what.normalisers.push_back(static_cast<std::uint32_t>(random() % 2));
    what.parameters.emplace_back();
    for (int v = 0; v < view_count(what.views); ++v)
      what.parameters.back().push_back(random_parameters(random, what.images.back()));
  }
  return what;
}

TEST(DeviceViews, AreThoseOfTheProcessorForRandomImagesAndDraws) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    Random random(seed);
    expect_same<float>(random_case(random), "seed " + std::to_string(seed));
  }
}

TEST(DeviceViews, AreTheSameOfImagesThatAreCutOnTheHost) {
  for (std::uint64_t seed = 500; seed < 530; ++seed) {
    Random random(seed);
    expect_same<float>(random_case(random), "seed " + std::to_string(seed), 0);
  }
}

TEST(DeviceViews, AreTheSameInEveryType) {
  for (std::uint64_t seed = 1000; seed < 1015; ++seed) {
    Random random(seed);
    const Case what = random_case(random);
    expect_same<double>(what, "float64, seed " + std::to_string(seed));
    expect_same<Bf16>(what, "bfloat16, seed " + std::to_string(seed));
  }
}

}  // namespace
}  // namespace msn
