// SPDX-License-Identifier: Apache-2.0
#include "data/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.hpp"

namespace msn {

namespace {

/// The filter of one axis, two taps at a time. `weights` is scratch.
void make_taps(int in, int out, Interpolation interpolation, ResizeAxis& axis, std::vector<std::int32_t>& weights,
               Taps& taps) {
  axis.assign(in, out, interpolation);
  const auto outputs = static_cast<std::size_t>(out);
  taps.most_pairs = axis.most_taps() / 2;
  taps.first.resize(outputs);
  taps.pairs.resize(outputs);
  taps.low.resize(outputs * taps.most_pairs);
  taps.high.resize(outputs * taps.most_pairs);
  weights.resize(axis.most_taps());
  for (std::size_t o = 0; o < outputs; ++o) {
    const ResizeAxis::Range range = axis.weigh(static_cast<int>(o), weights);
    taps.first[o] = range.first;
    taps.pairs[o] = (range.count + 1) / 2;
    if (range.count % 2 != 0) weights[static_cast<std::size_t>(range.count)] = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(taps.pairs[o]); ++i) {
      constexpr int mask = (1 << Taps::low_bits) - 1;
      const int a = weights[2 * i];
      const int b = weights[2 * i + 1];
      const auto together = [](int front, int back) {
        return (static_cast<std::uint32_t>(front) & 0xffffu) | static_cast<std::uint32_t>(back) << 16;
      };
      taps.low[o * taps.most_pairs + i] = together(a & mask, b & mask);
      taps.high[o * taps.most_pairs + i] = together(a >> Taps::low_bits, b >> Taps::low_bits);
    }
  }
}

void flip_rows(Planes& image) {
  const auto width = static_cast<std::ptrdiff_t>(image.width());
  for (std::size_t c = 0; c < 3; ++c) {
    const auto plane = image.plane(c);
    for (auto row = plane.begin(); row != plane.end(); row += width)
      std::reverse(row, row + width);
  }
}

}  // namespace

/// The vertical pass of one plane: 32 columns at a time, the last ones first, because what they write beyond a row
/// belongs to the next one.
void Resizer::weigh_rows(const std::uint8_t* in, std::uint8_t* out, std::size_t width) {
  constexpr std::size_t strip = 2 * turned_rows;
  for (std::size_t at = (width - 1) / strip * strip;; at -= strip) {
    const std::uint8_t* const from[2] = {in + at, in + at + turned_rows};
    std::uint8_t* const to[2] = {out + at, out + at + turned_rows};
    kernels_->weigh(from, width, to, static_cast<std::ptrdiff_t>(width), vertical_);
    if (at == 0) return;
  }
}

/// The horizontal pass of two blocks of turned columns into turned_.
void Resizer::weigh_columns(const std::array<const std::uint8_t*, 2>& in, std::size_t width, bool flip) {
  // A tile of 16 columns is turned back whole.
  const std::size_t block = (width + turned_rows) * turned_rows;
  columns_.resize(2 * block);
  turned_ = {columns_.data(), columns_.data() + block};
  const std::size_t last = flip ? (width - 1) * turned_rows : 0;
  std::uint8_t* const to[2] = {turned_[0] + last, turned_[1] + last};
  const auto step = static_cast<std::ptrdiff_t>(turned_rows);
  kernels_->weigh(in.data(), turned_rows, to, flip ? -step : step, horizontal_);
}

void Resizer::horizontal_first(const TurnedImage& image, const CropBox& box, const ResizeTo& to, Planes& out) {
  const bool wide = box.width != to.width;
  const bool high = box.height != to.height;
  if (wide) make_taps(box.width, to.width, to.interpolation, axis_, weights_, horizontal_);
  if (high) make_taps(box.height, to.height, to.interpolation, axis_, weights_, vertical_);
  const auto top = static_cast<std::size_t>(box.top);
  const auto left = static_cast<std::size_t>(box.left);
  const auto width = static_cast<std::size_t>(to.width);
  const std::size_t begin = top / turned_rows;
  const std::size_t end = (top + static_cast<std::size_t>(box.height) - 1) / turned_rows + 1;
  // The vertical pass may read a row more, of which it takes nothing.
  rows_.resize(((end - begin) * turned_rows + 1) * width + pixel_slack);
  for (std::size_t c = 0; c < 3; ++c) {
    const auto put_back = [&](const std::uint8_t* turned, std::size_t block) {
      kernels_->unturn(turned, width, rows_.data() + (block - begin) * turned_rows * width, width, turned_rows);
    };
    for (std::size_t block = begin; block < end; block += 2) {
      const std::size_t second = std::min(block + 1, end - 1);
      if (wide) {
        weigh_columns({image.columns(c, block, left), image.columns(c, second, left)}, width, to.flip);
        put_back(turned_[0], block);
        if (second != block) put_back(turned_[1], second);
      } else {
        put_back(image.columns(c, block, left), block);
        if (second != block) put_back(image.columns(c, second, left), second);
      }
    }
    const std::uint8_t* from = rows_.data() + (top - begin * turned_rows) * width;
    if (high) {
      weigh_rows(from, out.plane(c).data(), width);
    } else {
      std::memcpy(out.plane(c).data(), from, out.pixels());
    }
  }
  if (to.flip && !wide) flip_rows(out);
}

void Resizer::vertical_first(const TurnedImage& image, const CropBox& box, const ResizeTo& to, Planes& out) {
  make_taps(box.width, to.width, to.interpolation, axis_, weights_, horizontal_);
  make_taps(box.height, to.height, to.interpolation, axis_, weights_, vertical_);
  const auto top = static_cast<std::size_t>(box.top);
  const auto left = static_cast<std::size_t>(box.left);
  const auto in_width = static_cast<std::size_t>(box.width);
  const auto width = static_cast<std::size_t>(to.width);
  const auto height = static_cast<std::size_t>(to.height);
  const std::size_t begin = top / turned_rows;
  const std::size_t end = (top + static_cast<std::size_t>(box.height) - 1) / turned_rows + 1;
  rows_.resize(((end - begin) * turned_rows + 1) * in_width + pixel_slack);
  weighed_.resize(height * in_width + pixel_slack);
  turned_in_.resize(2 * (in_width + turned_rows) * turned_rows);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t block = begin; block < end; ++block) {
      kernels_->unturn(image.columns(c, block, left), in_width, rows_.data() + (block - begin) * turned_rows * in_width,
                       in_width, turned_rows);
    }
    weigh_rows(rows_.data() + (top - begin * turned_rows) * in_width, weighed_.data(), in_width);
    for (std::size_t y = 0; y < height; y += 2 * turned_rows) {
      std::array<std::uint8_t*, 2> turned{turned_in_.data(), turned_in_.data() + turned_in_.size() / 2};
      for (std::size_t half = 0; half < 2; ++half) {
        std::array<const std::uint8_t*, turned_rows> rows;
        for (std::size_t r = 0; r < turned_rows; ++r)
          rows[r] = weighed_.data() + std::min(y + half * turned_rows + r, height - 1) * in_width;
        kernels_->turn(rows.data(), in_width, turned[half]);
      }
      weigh_columns({turned[0], turned[1]}, width, to.flip);
      for (std::size_t half = 0; half < 2 && y + half * turned_rows < height; ++half) {
        const std::size_t row = y + half * turned_rows;
        kernels_->unturn(turned_[half], width, out.plane(c).data() + row * width, width,
                         std::min(turned_rows, height - row));
      }
    }
  }
}

bool goes_vertically_first(const CropBox& box, const ResizeTo& to) {
  return to.order == ResizeOrder::pillow13 && box.width != to.width && box.height > to.height &&
         box.height - to.height > 2 * (box.width - to.width);
}

void Resizer::resized_crop(const TurnedImage& image, const CropBox& box, const ResizeTo& to, Planes& out) {
  MSN_CHECK(box.top >= 0 && box.left >= 0 && box.width > 0 && box.height > 0 && to.width > 0 && to.height > 0);
  MSN_CHECK(box.top + box.height <= image.height() && box.left + box.width <= image.width());
  out.reshape(to.width, to.height);
  if (goes_vertically_first(box, to)) {
    vertical_first(image, box, to, out);
  } else {
    horizontal_first(image, box, to, out);
  }
}

Planes resized_crop(const Image& image, const CropBox& box, const ResizeTo& to) {
  TurnedImage turned;
  turned.assign(image);
  Planes out;
  Resizer().resized_crop(turned, box, to, out);
  return out;
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
  const Planes whole =
      resized_crop(image, {0, 0, image.height, image.width}, {width, height, interpolation, order, false});
  const auto margin = [crop](int size) { return static_cast<std::size_t>(std::nearbyint((size - crop) / 2.0)); };
  Planes out;
  out.reshape(crop, crop);
  for (std::size_t c = 0; c < 3; ++c) {
    const auto side = static_cast<std::size_t>(crop);
    for (std::size_t y = 0; y < side; ++y) {
      const std::size_t from = (margin(height) + y) * static_cast<std::size_t>(width) + margin(width);
      std::memcpy(out.plane(c).data() + y * side, whole.plane(c).data() + from, side);
    }
  }
  return out;
}

}  // namespace msn
