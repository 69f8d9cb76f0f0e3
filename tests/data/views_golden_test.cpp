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

class ViewsGolden : public ::testing::Test {
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

TEST_F(ViewsGolden, Flip) {
  check("flip", "", [](Planes& image, double) { flip_horizontally(image); });
}

TEST_F(ViewsGolden, Grayscale) {
  check("grayscale", "", [](Planes& image, double) { to_grayscale(image); });
}

TEST_F(ViewsGolden, Brightness) {
  check("brightness", "factor", adjust_brightness);
}

TEST_F(ViewsGolden, Contrast) {
  check("contrast", "factor", adjust_contrast);
}

TEST_F(ViewsGolden, Saturation) {
  check("saturation", "factor", adjust_saturation);
}

TEST_F(ViewsGolden, Hue) {
  check("hue", "factor", adjust_hue);
}

TEST_F(ViewsGolden, Blur) {
  check("blur", "radius", [](Planes& image, double radius) { gaussian_blur(image, static_cast<float>(radius)); });
}

TEST_F(ViewsGolden, ResizedCropInBothOrders) {
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
      return test::digest(resized_crop(input(row[i]), crop, size[i], size[i], how, order));
    };
    EXPECT_EQ(run(ResizeOrder::pillow13), newer[i]) << "case " << i;
    EXPECT_EQ(run(ResizeOrder::pillow12), older[i]) << "case " << i;
  }
}

TEST_F(ViewsGolden, EvaluationViewInBothOrders) {
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

TEST_F(ViewsGolden, WholeViewsInBothOrdersAndTheirStages) {
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
      const auto run = [&] { return test::digest(make_view(input(row[i]), partial, size[i], config)); };
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

TEST_F(ViewsGolden, Normalise) {
  const auto row = read<std::int32_t>("chain/input");
  const auto size = read<std::int32_t>("chain/size");
  const auto chain_row = read<std::int32_t>("normalize/chain_row");
  const auto views = read_chain(*file_);
  ViewsConfig config;
  config.resize_order = ResizeOrder::pillow13;
  for (std::size_t k = 0; k < chain_row.size(); ++k) {
    const auto i = static_cast<std::size_t>(chain_row[k]);
    const Planes view = make_view(input(row[i]), views[i], size[i], config);
    std::vector<float> out(view.values.size());
    normalise(view, config, out);
    const auto expected = read<float>("normalize/out_" + std::to_string(k));
    ASSERT_EQ(out.size(), expected.size());
    for (std::size_t j = 0; j < out.size(); ++j)
      ASSERT_NEAR(out[j], expected[j], 1e-6) << "value " << j;
  }
}

}  // namespace
}  // namespace msn
