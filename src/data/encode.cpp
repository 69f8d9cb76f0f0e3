// SPDX-License-Identifier: Apache-2.0
#include "data/encode.hpp"

#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jpeglib.h>

#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "base/error.hpp"

namespace msn {

namespace {

struct State {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
  unsigned char* bytes;
  unsigned long size;
};

void on_error(j_common_ptr info) {
  State& state = *static_cast<State*>(info->client_data);
  info->err->format_message(info, state.message);
  std::longjmp(state.escape, 1);
}

/// Samples to compress: `components` a pixel, 3 (RGB) or 1 (grey).
struct Samples {
  const unsigned char* values;
  int components;
};

/// Holds nothing with a destructor: libjpeg's errors jump over it.
bool compress(State& state, Samples samples, int width, int height, int quality) {
  state.info.err = jpeg_std_error(&state.errors);
  state.errors.error_exit = on_error;
  state.info.client_data = &state;
  if (setjmp(state.escape) != 0) return false;
  jpeg_create_compress(&state.info);
  jpeg_mem_dest(&state.info, &state.bytes, &state.size);
  state.info.image_width = static_cast<JDIMENSION>(width);
  state.info.image_height = static_cast<JDIMENSION>(height);
  state.info.input_components = samples.components;
  state.info.in_color_space = samples.components == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&state.info);
  jpeg_set_quality(&state.info, quality, TRUE);
  state.info.comp_info[0].h_samp_factor = 1;
  state.info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&state.info, TRUE);
  while (state.info.next_scanline < state.info.image_height) {
    const std::size_t row_bytes = std::size_t{state.info.image_width} * static_cast<std::size_t>(samples.components);
    JSAMPROW row = const_cast<JSAMPROW>(samples.values + std::size_t{state.info.next_scanline} * row_bytes);
    jpeg_write_scanlines(&state.info, &row, 1);
  }
  jpeg_finish_compress(&state.info);
  return true;
}

/// The one channel of an image whose pixels are all grey, otherwise empty.
std::vector<unsigned char> gray_channel(const Image& image) {
  std::vector<unsigned char> gray(image.rgb.size() / 3);
  for (std::size_t i = 0; i < gray.size(); ++i) {
    gray[i] = image.rgb[3 * i];
    if (image.rgb[3 * i + 1] != gray[i] || image.rgb[3 * i + 2] != gray[i]) return {};
  }
  return gray;
}

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  MSN_CHECK(image.rgb.size() ==
            std::size_t{3} * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  State state;
  std::memset(&state, 0, sizeof state);
  const std::vector<unsigned char> gray = gray_channel(image);
  const Samples samples = gray.empty() ? Samples{image.rgb.data(), 3} : Samples{gray.data(), 1};
  const bool good = compress(state, samples, image.width, image.height, quality);
  jpeg_destroy_compress(&state.info);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(state.bytes, &std::free);
  if (!good) throw data_error(std::string("cannot encode a JPEG: ") + state.message);
  const auto* begin = reinterpret_cast<const std::byte*>(state.bytes);
  return {begin, begin + state.size};
}

}  // namespace msn
