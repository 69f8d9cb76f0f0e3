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

constexpr std::size_t max_deflate_ratio = 1032;  ///< 258 bytes are the most that two bits can stand for.

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

/// Asks libpng for RGB of 8 bits. 16-bit grey stays as it is: libpng would scale it or take the high byte.
bool choose_layout(State& state) {
  if (setjmp(state.escape) != 0) return false;
  const int colour = png_get_color_type(state.png, state.info);
  const int depth = png_get_bit_depth(state.png, state.info);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(state.png);
  if (depth != 16 || colour != PNG_COLOR_TYPE_GRAY) {
    png_set_strip_16(state.png);
    png_set_gray_to_rgb(state.png);
  }
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

/// 16-bit grey samples, high byte first, to RGB: clipped at 255, as Pillow does.
void grey16_to_rgb(std::span<const std::uint8_t> samples, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < samples.size() / 2; ++i) {
    const std::uint8_t value = samples[2 * i] != 0 ? 255 : samples[2 * i + 1];
    std::fill_n(rgb + 3 * i, 3, value);
  }
}

}  // namespace

ImageFacts probe_png(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  State& state = reader.state();
  return {ImageFormat::png, static_cast<int>(png_get_image_width(state.png, state.info)),
          static_cast<int>(png_get_image_height(state.png, state.info)), png_get_channels(state.png, state.info), 0};
}

void PngDecoder::decode(std::span<const std::byte> bytes, Image& into) {
  Reader reader(bytes);
  State& state = reader.state();
  const std::size_t width = png_get_image_width(state.png, state.info);
  const std::size_t height = png_get_image_height(state.png, state.info);
  check_image_size(width, height);
  const std::size_t raw_bytes = png_get_rowbytes(state.png, state.info) * height;
  if (raw_bytes / max_deflate_ratio > bytes.size()) {
    throw data_error("the PNG claims " + std::to_string(width) + " x " + std::to_string(height) +
                     " pixels, which its " + std::to_string(bytes.size()) + " bytes cannot hold");
  }
  if (!choose_layout(state)) reader.fail();
  const bool deep = png_get_bit_depth(state.png, state.info) == 16;
  const std::size_t row_bytes = width * (deep ? 2 : 3);
  MSN_CHECK(png_get_rowbytes(state.png, state.info) == row_bytes);

  into.width = static_cast<int>(width);
  into.height = static_cast<int>(height);
  into.rgb.resize(3 * width * height);
  if (deep) deep_.resize(row_bytes * height);
  std::uint8_t* const start = deep ? deep_.data() : into.rgb.data();
  row_start_.resize(height);
  for (std::size_t y = 0; y < height; ++y)
    row_start_[y] = start + y * row_bytes;
  if (!read_rows(state, row_start_.data())) reader.fail();
  if (deep) grey16_to_rgb(deep_, into.rgb.data());
}

}  // namespace msn
