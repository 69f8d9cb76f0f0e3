// SPDX-License-Identifier: Apache-2.0
#include "replay.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "base/error.hpp"
#include "data/colour.hpp"
#include "data/decode.hpp"
#include "data/views.hpp"
#include "golden_images.hpp"

namespace msn::test {

namespace {

constexpr std::size_t few = 5;

void record(Replay& replay, bool same, const std::string& what) {
  ++replay.cases;
  if (same) return;
  ++replay.different;
  if (replay.first_few.size() < few) replay.first_few.push_back(what);
}

/// One operation's table of cases and results.
class Cases {
 public:
  Cases(const h5::File& file, std::string operation, const PixelKernels& kernels)
      : file_(file), operation_(std::move(operation)), kernels_(kernels), inputs_(read_inputs(file)) {
    rows_ = read<std::int32_t>("input");
  }

  std::size_t count() const { return rows_.size(); }
  template <class T>
  std::vector<T> read(const std::string& column) const {
    return file_.read<T>("case/" + operation_ + "/" + column);
  }
  bool has(const std::string& column) const { return file_.exists("case/" + operation_ + "/" + column); }
  const Image& input(std::size_t row) const { return inputs_.at(static_cast<std::size_t>(rows_[row])); }
  TurnedImage turned(std::size_t row) const {
    TurnedImage image;
    image.assign(input(row), kernels_);
    return image;
  }

  /// Compares what `run` makes of every case with the file's pixels or hashes (`hashes`: the column of these).
  Replay compare(const std::string& name, const std::string& hashes, bool with_pixels,
                 const std::function<Planes(std::size_t)>& run) const {
    Replay replay{name, 0, 0, 0, {}};
    const auto expected = read_digests(file_, "case/" + operation_ + "/" + hashes);
    const auto offset = with_pixels ? read<std::int64_t>("out_offset") : std::vector<std::int64_t>(count(), -1);
    const auto pixels = with_pixels ? read<std::uint8_t>("out_pixels") : std::vector<std::uint8_t>();
    for (std::size_t i = 0; i < count(); ++i) {
      const Image out = to_image(run(i));
      const bool same = digest(out) == expected[i];
      record(replay, same, "case " + std::to_string(i));
      if (same || offset[i] < 0) continue;
      const auto start = static_cast<std::size_t>(offset[i]);
      for (std::size_t b = 0; b < out.rgb.size(); ++b)
        replay.differing_bytes += out.rgb[b] != pixels.at(start + b);
    }
    return replay;
  }

 private:
  const h5::File& file_;
  std::string operation_;
  const PixelKernels& kernels_;
  std::vector<Image> inputs_;
  std::vector<std::int32_t> rows_;
};

/// The two orders in which Pillow has made the passes of a resize, and what the file calls each one's columns.
struct Order {
  ResizeOrder order;
  const char* name;
  const char* suffix;
};
constexpr Order orders[] = {{ResizeOrder::pillow13, " (pillow13)", ""},
                            {ResizeOrder::horizontal, " (horizontal)", "_horizontal_first"}};

CropBox box_of(const std::vector<std::int32_t>& boxes, std::size_t i) {
  return {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
}

void replay_in_place(const h5::File& file, const PixelKernels& kernels, std::vector<Replay>& out) {
  struct Operation {
    const char* name;
    const char* parameter;
    std::function<void(Planes&, double)> run;
  };
  GaussianBlur blur(kernels);
  const Operation operations[] = {
      {"grayscale", nullptr, [&](Planes& image, double) { to_grayscale(image, kernels); }},
      {"brightness", "factor", [&](Planes& image, double factor) { adjust_brightness(image, factor, kernels); }},
      {"contrast", "factor", [&](Planes& image, double factor) { adjust_contrast(image, factor, kernels); }},
      {"saturation", "factor", [&](Planes& image, double factor) { adjust_saturation(image, factor, kernels); }},
      {"hue", "factor", [&](Planes& image, double factor) { adjust_hue(image, factor, kernels); }},
      {"blur", "radius", [&](Planes& image, double radius) { blur(image, static_cast<float>(radius)); }},
  };
  for (const Operation& operation : operations) {
    if (!file.exists(std::string("case/") + operation.name)) continue;
    const Cases cases(file, operation.name, kernels);
    const auto value =
        operation.parameter ? cases.read<double>(operation.parameter) : std::vector<double>(cases.count());
    out.push_back(cases.compare(operation.name, "out_sha256", true, [&](std::size_t i) {
      Planes image = to_planes(cases.input(i));
      operation.run(image, value[i]);
      return image;
    }));
  }
}

void replay_resizes(const h5::File& file, const PixelKernels& kernels, std::vector<Replay>& out) {
  Resizer resizer(kernels);
  if (file.exists("case/flip")) {
    const Cases cases(file, "flip", kernels);
    out.push_back(cases.compare("flip", "out_sha256", true, [&](std::size_t i) {
      const Image& image = cases.input(i);
      Planes flipped;
      resizer.resized_crop(cases.turned(i), {0, 0, image.height, image.width},
                           {image.width, image.height, Interpolation::bilinear, ResizeOrder::horizontal, true},
                           flipped);
      return flipped;
    }));
  }
  if (file.exists("case/resized_crop")) {
    const Cases cases(file, "resized_crop", kernels);
    const auto box = cases.read<std::int32_t>("box");
    const auto size = cases.read<std::int32_t>("size");
    const auto filter = cases.read<std::int32_t>("filter");
    for (const Order& order : orders) {
      const std::string hashes = std::string("out_sha256") + order.suffix;
      if (!cases.has(hashes)) continue;
      const bool newest = order.order == ResizeOrder::pillow13;
      out.push_back(cases.compare(std::string("resized_crop") + order.name, hashes, newest, [&](std::size_t i) {
        const Interpolation how = filter[i] == 3 ? Interpolation::bicubic : Interpolation::bilinear;
        Planes resized;
        resizer.resized_crop(cases.turned(i), box_of(box, i), {size[i], size[i], how, order.order, false}, resized);
        return resized;
      }));
    }
  }
  if (file.exists("case/eval")) {
    const Cases cases(file, "eval", kernels);
    for (const Order& order : orders) {
      const std::string hashes = std::string("out_sha256") + order.suffix;
      if (!cases.has(hashes)) continue;
      const bool newest = order.order == ResizeOrder::pillow13;
      out.push_back(cases.compare(std::string("eval") + order.name, hashes, newest, [&](std::size_t i) {
        return resize_and_centre_crop(cases.input(i), 256, 224, Interpolation::bilinear, order.order);
      }));
    }
  }
}

std::vector<ViewParameters> read_chain(const Cases& cases) {
  const auto box = cases.read<std::int32_t>("box");
  const auto flip = cases.read<std::uint8_t>("flip");
  const auto jitter = cases.read<std::uint8_t>("jitter");
  const auto order = cases.read<std::int32_t>("order");
  const auto factors = cases.read<double>("factors");
  const auto gray = cases.read<std::uint8_t>("gray");
  const auto blur = cases.read<std::uint8_t>("blur");
  const auto radius = cases.read<double>("radius");
  std::vector<ViewParameters> out(cases.count());
  for (std::size_t i = 0; i < out.size(); ++i) {
    ViewParameters& view = out[i];
    view.crop = box_of(box, i);
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

/// The view as it is after `stages` of crop, flip, jitter, grayscale and blur.
ViewParameters up_to(ViewParameters view, std::size_t stages) {
  view.blur = view.blur && stages > 4;
  view.grayscale = view.grayscale && stages > 3;
  view.jitter = view.jitter && stages > 2;
  view.flip = view.flip && stages > 1;
  return view;
}

void replay_chains(const h5::File& file, const PixelKernels& kernels, std::vector<Replay>& out) {
  if (!file.exists("case/chain")) return;
  constexpr std::size_t stages = 5;
  const Cases cases(file, "chain", kernels);
  const auto views = read_chain(cases);
  const auto size = cases.read<std::int32_t>("size");
  for (const Order& order : orders) {
    const std::string hashes = std::string("out_sha256") + order.suffix;
    if (!cases.has(hashes)) continue;
    ViewsConfig config;
    config.resize_order = order.order;
    ViewMaker maker(config, kernels);
    const bool newest = order.order == ResizeOrder::pillow13;
    out.push_back(cases.compare(std::string("chain") + order.name, hashes, newest,
                                [&](std::size_t i) { return maker.make(cases.turned(i), views[i], size[i]); }));
    Replay each{std::string("stages of chain") + order.name, 0, 0, 0, {}};
    const auto expected = read_digests(file, std::string("case/chain/stage_sha256") + order.suffix);
    for (std::size_t i = 0; i < cases.count(); ++i) {
      const TurnedImage image = cases.turned(i);
      for (std::size_t stage = 0; stage < stages; ++stage) {
        record(each, digest(maker.make(image, up_to(views[i], stage + 1), size[i])) == expected[stages * i + stage],
               "case " + std::to_string(i) + " stage " + std::to_string(stage));
      }
    }
    out.push_back(each);
  }
  if (!file.exists("case/normalize")) return;
  // ToTensor and Normalize round every step, as write_planes does; another device may fuse two of them: 1e-6.
  Replay normalised{"normalize", 0, 0, 0, {}};
  const auto chain_row = file.read<std::int32_t>("case/normalize/chain_row");
  ViewsConfig config;
  config.resize_order = ResizeOrder::pillow13;
  for (std::size_t k = 0; k < chain_row.size(); ++k) {
    const auto i = static_cast<std::size_t>(chain_row[k]);
    const Planes view = ViewMaker(config, kernels).make(cases.turned(i), views[i], size[i]);
    std::vector<float> values(3 * view.pixels());
    normalise(view, config, values);
    const auto expected = file.read<float>("case/normalize/out_" + std::to_string(k));
    const bool same = std::equal(values.begin(), values.end(), expected.begin(), expected.end(),
                                 [](float a, float b) { return std::abs(a - b) <= 1e-6f; });
    record(normalised, same, "case " + std::to_string(k));
  }
  out.push_back(normalised);
}

}  // namespace

std::vector<const PixelKernels*> all_kernels() {
  std::vector<const PixelKernels*> out{&generic_pixel_kernels()};
  if (avx2_pixel_kernels()) out.push_back(avx2_pixel_kernels());
  return out;
}

Replay replay_decoding(const h5::File& file) {
  Replay replay{"decode", 0, 0, 0, {}};
  const auto encoded = read_encoded(file);
  const auto name = file.read_strings("image/name");
  const auto ok = file.read<std::uint8_t>("image/ok");
  const auto width = file.read<std::int32_t>("image/width");
  const auto height = file.read<std::int32_t>("image/height");
  const auto orientation = file.read<std::int32_t>("image/orientation");
  const auto expected = read_digests(file, "image/pixel_sha256");
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    std::optional<Image> image;
    std::string problem;
    try {
      image = decode(encoded[i]);
    } catch (const Error& error) {
      problem = error.problem();
    }
    if (!image || ok[i] == 0) {
      record(replay, !image && ok[i] == 0,
             name[i] + (image ? ": Pillow refuses it" : ": Pillow decodes it, here: " + problem));
      continue;
    }
    const ImageFacts facts = probe(encoded[i]);
    const bool same = image->width == width[i] && image->height == height[i] && digest(*image) == expected[i] &&
                      facts.width == width[i] && facts.height == height[i] && facts.orientation == orientation[i];
    record(replay, same, name[i]);
  }
  return replay;
}

std::vector<Replay> replay_operations(const h5::File& file, const PixelKernels& kernels) {
  std::vector<Replay> out;
  replay_resizes(file, kernels, out);
  replay_in_place(file, kernels, out);
  replay_chains(file, kernels, out);
  return out;
}

}  // namespace msn::test
