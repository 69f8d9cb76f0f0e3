// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "data/codecs.hpp"

namespace msn {

namespace {

/// libpng reports errors by a jump. The plain functions that call it take a State and hold nothing with a destructor.
struct State {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf escape;
  char message[256] = "";
  const unsigned char* bytes = nullptr;
  std::size_t left = 0;
};

void on_error(png_structp png, png_const_charp text) {
  State& state = *static_cast<State*>(png_get_error_ptr(png));
  std::snprintf(state.message, sizeof state.message, "%s", text);
  std::longjmp(state.escape, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep into, std::size_t count) {
  State& state = *static_cast<State*>(png_get_io_ptr(png));
  if (count > state.left) png_error(png, "the data end before the image does");
  std::memcpy(into, state.bytes, count);
  state.bytes += count;
  state.left -= count;
}

/// Reads up to the first pixel data. False: state.message says why not.
bool start(State& state) {
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
  if (state.png == nullptr) return false;
  if (setjmp(state.escape) != 0) return false;
  state.info = png_create_info_struct(state.png);
  png_set_user_limits(state.png, 65535, 65535);
  png_set_read_fn(state.png, &state, on_read);
  png_read_info(state.png, state.info);
  return true;
}

/// Asks libpng for grey, RGB, or their forms with alpha, 8 bits; 16-bit grey stays as it is.
bool choose_layout(State& state) {
  if (setjmp(state.escape) != 0) return false;
  const int colour = png_get_color_type(state.png, state.info);
  const int depth = png_get_bit_depth(state.png, state.info);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(state.png);
  if (colour == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(state.png);
  if (depth == 16 && colour != PNG_COLOR_TYPE_GRAY) png_set_strip_16(state.png);
  png_set_strip_alpha(state.png);
  png_set_interlace_handling(state.png);
  png_read_update_info(state.png, state.info);
  return true;
}

bool read_rows(State& state, png_bytepp rows) {
  if (setjmp(state.escape) != 0) return false;
  png_read_image(state.png, rows);
  png_read_end(state.png, nullptr);
  return true;
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) {
    state_.bytes = reinterpret_cast<const unsigned char*>(bytes.data());
    state_.left = bytes.size();
    if (!start(state_)) {
      const std::string message = state_.message;
      png_destroy_read_struct(&state_.png, &state_.info, nullptr);
      throw data_error("damaged PNG: " + message);
    }
  }
  ~Reader() { png_destroy_read_struct(&state_.png, &state_.info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  State& state() { return state_; }
  [[noreturn]] void fail() const { throw data_error(std::string("damaged PNG: ") + state_.message); }

 private:
  State state_;
};

/// One pixel of `channels` samples of `sample_bytes` to RGB. A 16-bit sample is clipped, as Pillow does for grey.
void to_rgb(const unsigned char* row, std::size_t width, std::size_t channels, std::size_t sample_bytes,
            std::uint8_t* rgb) {
  for (std::size_t x = 0; x < width; ++x) {
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned char* sample = row + (x * channels + (channels == 3 ? c : 0)) * sample_bytes;
      rgb[3 * x + c] = sample_bytes == 2 && sample[0] != 0 ? 255 : sample[sample_bytes - 1];
    }
  }
}

}  // namespace

ImageFacts probe_png(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  State& state = reader.state();
  return {ImageFormat::png, static_cast<int>(png_get_image_width(state.png, state.info)),
          static_cast<int>(png_get_image_height(state.png, state.info)), png_get_channels(state.png, state.info), 0};
}

Image decode_png(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  State& state = reader.state();
  const std::size_t width = png_get_image_width(state.png, state.info);
  const std::size_t height = png_get_image_height(state.png, state.info);
  check_image_size(width, height);
  if (!choose_layout(state)) reader.fail();
  const std::size_t row_bytes = png_get_rowbytes(state.png, state.info);
  const std::size_t channels = png_get_channels(state.png, state.info);
  const std::size_t sample_bytes = png_get_bit_depth(state.png, state.info) == 16 ? 2 : 1;
  MSN_CHECK((channels == 1 || channels == 3) && row_bytes == width * channels * sample_bytes);

  std::vector<unsigned char> raw(row_bytes * height);
  std::vector<png_bytep> rows(height);
  for (std::size_t y = 0; y < height; ++y)
    rows[y] = raw.data() + y * row_bytes;
  if (!read_rows(state, rows.data())) reader.fail();
  Image image{static_cast<int>(width), static_cast<int>(height), std::vector<std::uint8_t>(3 * width * height)};
  for (std::size_t y = 0; y < height; ++y) {
    to_rgb(rows[y], width, channels, sample_bytes, image.rgb.data() + 3 * y * width);
  }
  return image;
}

}  // namespace msn
