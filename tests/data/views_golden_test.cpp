// SPDX-License-Identifier: Apache-2.0
// Every operation against what Pillow and torchvision made, byte for byte.
#include <gtest/gtest.h>

#include <functional>

#include "data/blur.hpp"
#include "data/colour.hpp"
#include "data/resize.hpp"
#include "data/views.hpp"
#include "golden_images.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

/// For each form of the kernels that this processor can run.
class ViewsGolden : public ::testing::TestWithParam<const PixelKernels*> {
 protected:
  static void SetUpTestSuite() {
    file_ = new h5::File(test::golden("augment.h5"), h5::Mode::read);
    inputs_ = new std::vector<Image>(test::read_inputs(*file_));
  }
  static void TearDownTestSuite() {
    delete inputs_;
    delete file_;
  }
  template <class T>
  static std::vector<T> read(const std::string& name) {
    return file_->read<T>("case/" + name);
  }
  static std::vector<test::Digest> digests(const std::string& name) {
    return test::read_digests(*file_, "case/" + name);
  }
  static const Image& input(std::int32_t row) { return inputs_->at(static_cast<std::size_t>(row)); }
  static const PixelKernels& kernels() { return *GetParam(); }
  static TurnedImage turned(std::int32_t row) {
    TurnedImage image;
    image.assign(input(row), kernels());
    return image;
  }

  /// Runs an operation that works in place over its cases.
  static void check(const std::string& operation, const std::string& parameter,
                    const std::function<void(Planes&, double)>& run) {
    const auto row = read<std::int32_t>(operation + "/input");
    const auto value = parameter.empty() ? std::vector<double>(row.size()) : read<double>(operation + "/" + parameter);
    const auto expected = digests(operation + "/out_sha256");
    ASSERT_FALSE(row.empty());
    for (std::size_t i = 0; i < row.size(); ++i) {
      Planes image = to_planes(input(row[i]));
      run(image, value[i]);
      EXPECT_EQ(test::digest(image), expected[i]) << operation << " case " << i << " " << parameter << " " << value[i];
    }
  }

  static h5::File* file_;
  static std::vector<Image>* inputs_;
};

h5::File* ViewsGolden::file_ = nullptr;
std::vector<Image>* ViewsGolden::inputs_ = nullptr;

TEST_P(ViewsGolden, Flip) {
  check("flip", "", [](Planes& image, double) {
    TurnedImage turned;
    turned.assign(to_image(image), kernels());
    const ResizeTo same{image.width(), image.height(), Interpolation::bilinear, ResizeOrder::pillow12, true};
    Resizer(kernels()).resized_crop(turned, {0, 0, image.height(), image.width()}, same, image);
  });
}

TEST_P(ViewsGolden, Grayscale) {
  check("grayscale", "", [](Planes& image, double) { to_grayscale(image, kernels()); });
}

TEST_P(ViewsGolden, Brightness) {
  check("brightness", "factor", [](Planes& image, double factor) { adjust_brightness(image, factor, kernels()); });
}

TEST_P(ViewsGolden, Contrast) {
  check("contrast", "factor", [](Planes& image, double factor) { adjust_contrast(image, factor, kernels()); });
}

TEST_P(ViewsGolden, Saturation) {
  check("saturation", "factor", [](Planes& image, double factor) { adjust_saturation(image, factor, kernels()); });
}

TEST_P(ViewsGolden, Hue) {
  check("hue", "factor", [](Planes& image, double factor) { adjust_hue(image, factor, kernels()); });
}

TEST_P(ViewsGolden, Blur) {
  GaussianBlur blur(kernels());
  check("blur", "radius", [&](Planes& image, double radius) { blur(image, static_cast<float>(radius)); });
}

TEST_P(ViewsGolden, ResizedCropInBothOrders) {
  const auto row = read<std::int32_t>("resized_crop/input");
  const auto box = read<std::int32_t>("resized_crop/box");
  const auto size = read<std::int32_t>("resized_crop/size");
  const auto filter = read<std::int32_t>("resized_crop/filter");
  const auto newer = digests("resized_crop/out_sha256");
  const auto older = digests("resized_crop/out_sha256_horizontal_first");
  for (std::size_t i = 0; i < row.size(); ++i) {
    const CropBox crop{box[4 * i], box[4 * i + 1], box[4 * i + 2], box[4 * i + 3]};
    const Interpolation how = filter[i] == 3 ? Interpolation::bicubic : Interpolation::bilinear;
    const auto run = [&](ResizeOrder order) {
      Planes out;
      Resizer(kernels()).resized_crop(turned(row[i]), crop, {size[i], size[i], how, order, false}, out);
      return test::digest(out);
    };
    EXPECT_EQ(run(ResizeOrder::pillow13), newer[i]) << "case " << i;
    EXPECT_EQ(run(ResizeOrder::pillow12), older[i]) << "case " << i;
  }
}

TEST_P(ViewsGolden, EvaluationViewInBothOrders) {
  const auto row = read<std::int32_t>("eval/input");
  const auto newer = digests("eval/out_sha256");
  const auto older = digests("eval/out_sha256_horizontal_first");
  for (std::size_t i = 0; i < row.size(); ++i) {
    const auto run = [&](ResizeOrder order) {
      return test::digest(resize_and_centre_crop(input(row[i]), 256, 224, Interpolation::bilinear, order));
    };
    EXPECT_EQ(run(ResizeOrder::pillow13), newer[i]) << "case " << i;
    EXPECT_EQ(run(ResizeOrder::pillow12), older[i]) << "case " << i;
  }
}

/// The views of `chain`, whole.
std::vector<ViewParameters> read_chain(const h5::File& file) {
  const auto box = file.read<std::int32_t>("case/chain/box");
  const auto flip = file.read<std::uint8_t>("case/chain/flip");
  const auto jitter = file.read<std::uint8_t>("case/chain/jitter");
  const auto order = file.read<std::int32_t>("case/chain/order");
  const auto factors = file.read<double>("case/chain/factors");
  const auto gray = file.read<std::uint8_t>("case/chain/gray");
  const auto blur = file.read<std::uint8_t>("case/chain/blur");
  const auto radius = file.read<double>("case/chain/radius");
  std::vector<ViewParameters> out(flip.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    ViewParameters& view = out[i];
    view.crop = {box[4 * i], box[4 * i + 1], box[4 * i + 2], box[4 * i + 3]};
    view.flip = flip[i] != 0;
    view.jitter = jitter[i] != 0;
    for (std::size_t j = 0; j < 4; ++j) {
      view.order[j] = static_cast<ColourOperation>(order[4 * i + j]);
      view.factors[j] = factors[4 * i + j];
    }
    view.grayscale = gray[i] != 0;
    view.blur = blur[i] != 0;
    view.radius = static_cast<float>(radius[i]);
  }
  return out;
}

TEST_P(ViewsGolden, WholeViewsInBothOrdersAndTheirStages) {
  const auto row = read<std::int32_t>("chain/input");
  const auto size = read<std::int32_t>("chain/size");
  const auto views = read_chain(*file_);
  const char* const column[2] = {"chain/stage_sha256", "chain/stage_sha256_horizontal_first"};
  const ResizeOrder orders[2] = {ResizeOrder::pillow13, ResizeOrder::pillow12};
  for (std::size_t which = 0; which < 2; ++which) {
    const auto stage = digests(column[which]);
    ViewsConfig config;
    config.resize_order = orders[which];
    for (std::size_t i = 0; i < row.size(); ++i) {
      ViewParameters partial = views[i];
      const TurnedImage image = turned(row[i]);
      ViewMaker maker(config, kernels());
      const auto run = [&] { return test::digest(maker.make(image, partial, size[i])); };
      EXPECT_EQ(run(), stage[5 * i + 4]) << "after the blur, case " << i;
      partial.blur = false;
      EXPECT_EQ(run(), stage[5 * i + 3]) << "after grayscale, case " << i;
      partial.grayscale = false;
      EXPECT_EQ(run(), stage[5 * i + 2]) << "after the jitter, case " << i;
      partial.jitter = false;
      EXPECT_EQ(run(), stage[5 * i + 1]) << "after the flip, case " << i;
      partial.flip = false;
      EXPECT_EQ(run(), stage[5 * i]) << "after the crop, case " << i;
    }
  }
}

TEST_P(ViewsGolden, Normalise) {
  const auto row = read<std::int32_t>("chain/input");
  const auto size = read<std::int32_t>("chain/size");
  const auto chain_row = read<std::int32_t>("normalize/chain_row");
  const auto views = read_chain(*file_);
  ViewsConfig config;
  config.resize_order = ResizeOrder::pillow13;
  for (std::size_t k = 0; k < chain_row.size(); ++k) {
    const auto i = static_cast<std::size_t>(chain_row[k]);
    const Planes view = ViewMaker(config, kernels()).make(turned(row[i]), views[i], size[i]);
    std::vector<float> out(3 * view.pixels());
    normalise(view, config, out);
    const auto expected = read<float>("normalize/out_" + std::to_string(k));
    ASSERT_EQ(out.size(), expected.size());
    for (std::size_t j = 0; j < out.size(); ++j)
      ASSERT_NEAR(out[j], expected[j], 1e-6) << "value " << j;
  }
}

/// Generic, and what the processor has beyond.
std::vector<const PixelKernels*> all_kernels() {
  std::vector<const PixelKernels*> out{&generic_pixel_kernels()};
  if (avx2_pixel_kernels()) out.push_back(avx2_pixel_kernels());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Kernels, ViewsGolden, ::testing::ValuesIn(all_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace msn
