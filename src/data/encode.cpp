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

/// Holds nothing with a destructor: libjpeg's errors jump over it.
bool compress(State& state, const unsigned char* rgb, int width, int height, int quality) {
  state.info.err = jpeg_std_error(&state.errors);
  state.errors.error_exit = on_error;
  state.info.client_data = &state;
  if (setjmp(state.escape) != 0) return false;
  jpeg_create_compress(&state.info);
  jpeg_mem_dest(&state.info, &state.bytes, &state.size);
  state.info.image_width = static_cast<JDIMENSION>(width);
  state.info.image_height = static_cast<JDIMENSION>(height);
  state.info.input_components = 3;
  state.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&state.info);
  jpeg_set_quality(&state.info, quality, TRUE);
  state.info.comp_info[0].h_samp_factor = 1;
  state.info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&state.info, TRUE);
  while (state.info.next_scanline < state.info.image_height) {
    JSAMPROW row =
        const_cast<JSAMPROW>(rgb + std::size_t{state.info.next_scanline} * 3 * std::size_t{state.info.image_width});
    jpeg_write_scanlines(&state.info, &row, 1);
  }
  jpeg_finish_compress(&state.info);
  return true;
}

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  MSN_CHECK(image.rgb.size() ==
            std::size_t{3} * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  State state;
  std::memset(&state, 0, sizeof state);
  const bool good = compress(state, image.rgb.data(), image.width, image.height, quality);
  jpeg_destroy_compress(&state.info);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(state.bytes, &std::free);
  if (!good) throw data_error(std::string("cannot encode a JPEG: ") + state.message);
  const auto* begin = reinterpret_cast<const std::byte*>(state.bytes);
  return {begin, begin + state.size};
}

}  // namespace msn
