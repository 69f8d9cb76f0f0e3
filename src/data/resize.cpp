// SPDX-License-Identifier: Apache-2.0
#include "data/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "data/clones.hpp"

namespace msn {

namespace {

constexpr int fraction_bits = 22;

double bilinear(double t) {
  t = std::abs(t);
  return t < 1.0 ? 1.0 - t : 0.0;
}

/// Keys' cubic with a = -0.5.
double bicubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1;
  if (t < 2.0) return (((t - 5) * t + 8) * t - 4) * a;
  return 0.0;
}

/// For each output position of one axis: the first input position and the fixed-point weights of it and its neighbours.
struct Taps {
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> weight;  ///< [output][most]
  std::size_t most = 0;              ///< Weights reserved for each output position.
};

Taps make_taps(int in, int out, Interpolation interpolation) {
  const bool cubic = interpolation == Interpolation::bicubic;
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);
  const double support = (cubic ? 2.0 : 1.0) * stretch;
  const double inverse = 1.0 / stretch;
  Taps taps;
  taps.most = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  taps.first.resize(static_cast<std::size_t>(out));
  taps.count.resize(static_cast<std::size_t>(out));
  taps.weight.assign(static_cast<std::size_t>(out) * taps.most, 0);
  std::vector<double> exact(taps.most);
  for (int o = 0; o < out; ++o) {
    const double centre = (o + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(centre - support + 0.5));
    const int high = std::min(in, static_cast<int>(centre + support + 0.5));
    const auto count = static_cast<std::size_t>(high - low);
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      const double t = (static_cast<double>(i) + low - centre + 0.5) * inverse;
      exact[i] = cubic ? bicubic(t) : bilinear(t);
      sum += exact[i];
    }
    for (std::size_t i = 0; i < count; ++i) {
      const double weight = (sum != 0.0 ? exact[i] / sum : exact[i]) * (1 << fraction_bits);
      taps.weight[static_cast<std::size_t>(o) * taps.most + i] =
          static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps.first[static_cast<std::size_t>(o)] = low;
    taps.count[static_cast<std::size_t>(o)] = high - low;
  }
  return taps;
}

constexpr std::size_t block = 48;  ///< Bytes that weigh() sums at once, few enough for registers; 16 RGB pixels.

/// out[o][lane] = rounded sum over taps i of weight[o][i] * in[first[o] + i][lane], for all output positions o.
/// Both passes are this one: along columns a lane is a byte of a row, along rows a byte of 16 transposed rows. Rows of
/// `in` and `out` are `in_stride` and `out_stride` bytes apart and hold a whole number of blocks.
MSN_CLONES void weigh(const std::uint8_t* in, std::size_t in_stride, std::uint8_t* out, std::size_t out_stride,
                      std::size_t blocks, const Taps& taps) {
  const std::size_t outputs = taps.first.size();
  for (std::size_t o = 0; o < outputs; ++o) {
    const std::int32_t* weight = taps.weight.data() + o * taps.most;
    const int count = taps.count[o];
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::uint8_t* from = in + static_cast<std::size_t>(taps.first[o]) * in_stride + b * block;
      std::int32_t sum[block];
      for (std::int32_t& lane : sum)
        lane = 1 << (fraction_bits - 1);
      for (int i = 0; i < count; ++i, from += in_stride) {
        for (std::size_t lane = 0; lane < block; ++lane)
          sum[lane] += weight[i] * from[lane];
      }
      std::uint8_t* to = out + o * out_stride + b * block;
      for (std::size_t lane = 0; lane < block; ++lane) {
        to[lane] = static_cast<std::uint8_t>(std::min(std::max(sum[lane] >> fraction_bits, 0), 255));
      }
    }
  }
}

/// Interleaved RGB rows, padded so that each row is a whole number of blocks.
struct Rows {
  std::size_t width = 0;
  std::size_t height = 0;
  std::size_t stride = 0;
  std::vector<std::uint8_t> bytes;
};

Rows make_rows(std::size_t width, std::size_t height) {
  const std::size_t stride = (3 * width + block - 1) / block * block;
  return {width, height, stride, std::vector<std::uint8_t>(stride * height)};
}

Rows cut(const Image& image, const CropBox& box) {
  Rows rows = make_rows(static_cast<std::size_t>(box.width), static_cast<std::size_t>(box.height));
  for (std::size_t y = 0; y < rows.height; ++y) {
    const std::size_t at = ((static_cast<std::size_t>(box.top) + y) * static_cast<std::size_t>(image.width) +
                            static_cast<std::size_t>(box.left)) *
                           3;
    std::memcpy(rows.bytes.data() + y * rows.stride, image.rgb.data() + at, 3 * rows.width);
  }
  return rows;
}

/// Copies `count` pixels of 3 bytes, `from_step` and `to_step` bytes apart, by four bytes where a fourth may be
/// touched. The one byte too many is overwritten by the next copy to that place.
void copy_pixels(const std::uint8_t* from, std::size_t from_step, std::uint8_t* to, std::size_t to_step,
                 std::size_t count) {
  for (std::size_t i = 0; i + 1 < count; ++i)
    std::memcpy(to + i * to_step, from + i * from_step, 4);
  if (count > 0) std::memcpy(to + (count - 1) * to_step, from + (count - 1) * from_step, 3);
}

Rows resize_width(const Rows& in, int width, Interpolation interpolation) {
  constexpr std::size_t together = block / 3;
  const Taps taps = make_taps(static_cast<int>(in.width), width, interpolation);
  Rows out = make_rows(static_cast<std::size_t>(width), in.height);
  std::vector<std::uint8_t> turned_in(in.width * block);
  std::vector<std::uint8_t> turned_out(out.width * block);
  for (std::size_t top = 0; top < in.height; top += together) {
    const std::size_t rows = std::min(together, in.height - top);
    // Row after row: the fourth byte of a copy belongs to the next row's pixel, which is copied later.
    for (std::size_t r = 0; r < rows; ++r) {
      const std::uint8_t* from = in.bytes.data() + (top + r) * in.stride;
      if (r + 1 < together) {
        copy_pixels(from, 3, turned_in.data() + 3 * r, block, in.width);
      } else {
        for (std::size_t x = 0; x < in.width; ++x)
          std::memcpy(turned_in.data() + x * block + 3 * r, from + 3 * x, 3);
      }
    }
    weigh(turned_in.data(), block, turned_out.data(), block, 1, taps);
    for (std::size_t r = 0; r < rows; ++r) {
      copy_pixels(turned_out.data() + 3 * r, block, out.bytes.data() + (top + r) * out.stride, 3, out.width);
    }
  }
  return out;
}

Rows resize_height(const Rows& in, int height, Interpolation interpolation) {
  const Taps taps = make_taps(static_cast<int>(in.height), height, interpolation);
  Rows out = make_rows(in.width, static_cast<std::size_t>(height));
  weigh(in.bytes.data(), in.stride, out.bytes.data(), out.stride, in.stride / block, taps);
  return out;
}

Planes split(const Rows& rows, const CropBox& box) {
  Planes planes = make_planes(box.width, box.height);
  const std::size_t pixels = planes.pixels();
  std::uint8_t* to = planes.values.data();
  for (std::size_t y = 0; y < static_cast<std::size_t>(box.height); ++y) {
    const std::uint8_t* from = rows.bytes.data() + (static_cast<std::size_t>(box.top) + y) * rows.stride +
                               3 * static_cast<std::size_t>(box.left);
    for (std::size_t x = 0; x < static_cast<std::size_t>(box.width); ++x, ++to) {
      to[0] = from[3 * x];
      to[pixels] = from[3 * x + 1];
      to[2 * pixels] = from[3 * x + 2];
    }
  }
  return planes;
}

Rows resize(Rows rows, int width, int height, Interpolation interpolation, ResizeOrder order) {
  const int in_width = static_cast<int>(rows.width);
  const int in_height = static_cast<int>(rows.height);
  const bool vertical_first = order == ResizeOrder::pillow13 && in_width != width && in_height > height &&
                              in_height - height > 2 * (in_width - width);
  if (vertical_first) rows = resize_height(rows, height, interpolation);
  if (in_width != width) rows = resize_width(rows, width, interpolation);
  if (!vertical_first && in_height != height) rows = resize_height(rows, height, interpolation);
  return rows;
}

}  // namespace

Planes resized_crop(const Image& image, const CropBox& box, int width, int height, Interpolation interpolation,
                    ResizeOrder order) {
  MSN_CHECK(box.top >= 0 && box.left >= 0 && box.width > 0 && box.height > 0 && width > 0 && height > 0);
  MSN_CHECK(box.top + box.height <= image.height && box.left + box.width <= image.width);
  return split(resize(cut(image, box), width, height, interpolation, order), {0, 0, height, width});
}

Planes resize_and_centre_crop(const Image& image, int resize_to, int crop, Interpolation interpolation,
                              ResizeOrder order) {
  MSN_CHECK(crop > 0 && crop <= resize_to && image.width > 0 && image.height > 0);
  const bool upright = image.width <= image.height;
  const std::int64_t short_side = upright ? image.width : image.height;
  const std::int64_t long_side = upright ? image.height : image.width;
  const int stretched = static_cast<int>(resize_to * long_side / short_side);
  const int width = upright ? resize_to : stretched;
  const int height = upright ? stretched : resize_to;
  const auto margin = [crop](int size) { return static_cast<int>(std::nearbyint((size - crop) / 2.0)); };
  return split(resize(cut(image, {0, 0, image.height, image.width}), width, height, interpolation, order),
               {margin(height), margin(width), crop, crop});
}

}  // namespace msn
