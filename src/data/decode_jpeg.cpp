// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "data/codecs.hpp"

namespace msn {

namespace {

constexpr int max_scans = 500;  ///< A small progressive file can ask for millions of scans over a large image.

/// libjpeg reports errors by a call that must not return: it jumps. So that no destructor is jumped over, the only
/// functions that call libjpeg are the plain ones below that take a State and hold nothing else.
struct State {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
  bool ended_early;
};

State& state_of(j_common_ptr info) {
  return *static_cast<State*>(info->client_data);
}

void on_error(j_common_ptr info) {
  State& state = state_of(info);
  info->err->format_message(info, state.message);
  std::longjmp(state.escape, 1);
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) state_of(info).ended_early = true;
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  State& state = state_of(info);
  if (state.info.input_scan_number <= max_scans) return;
  std::snprintf(state.message, sizeof state.message, "more than %d scans", max_scans);
  std::longjmp(state.escape, 1);
}

/// Reads the header. False: state.message says why not.
bool start(State& state, const unsigned char* bytes, unsigned long size) {
  state.info.err = jpeg_std_error(&state.errors);
  state.errors.error_exit = on_error;
  state.errors.emit_message = on_message;
  state.errors.output_message = on_output;
  state.info.client_data = &state;
  state.ended_early = false;
  if (setjmp(state.escape) != 0) return false;
  jpeg_create_decompress(&state.info);
  state.progress.progress_monitor = on_progress;
  state.info.progress = &state.progress;
  jpeg_save_markers(&state.info, JPEG_APP0 + 1, 0xffff);
  jpeg_mem_src(&state.info, bytes, size);
  jpeg_read_header(&state.info, TRUE);
  return true;
}

/// Decodes all rows, `row_bytes` apart, in the colour space set in state.info.
bool read_rows(State& state, unsigned char* pixels, std::size_t row_bytes) {
  if (setjmp(state.escape) != 0) return false;
  jpeg_start_decompress(&state.info);
  while (state.info.output_scanline < state.info.output_height) {
    JSAMPROW row = pixels + state.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&state.info, &row, 1);
  }
  jpeg_finish_decompress(&state.info);
  return true;
}

/// A State that is torn down at the end of the scope; the header is read.
class Decompressor {
 public:
  explicit Decompressor(std::span<const std::byte> bytes) {
    std::memset(&state_, 0, sizeof state_);
    if (!start(state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())) {
      const std::string message = state_.message;
      jpeg_destroy_decompress(&state_.info);
      throw data_error("damaged JPEG: " + message);
    }
  }
  ~Decompressor() { jpeg_destroy_decompress(&state_.info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  State& state() { return state_; }

 private:
  State state_;
};

/// Orientation tag (0x0112) of the first image directory of an EXIF block; 0 where absent or malformed.
int exif_orientation(std::span<const unsigned char> block) {
  constexpr std::size_t prefix = 6;  // "Exif\0\0"
  if (block.size() < prefix + 8 || std::memcmp(block.data(), "Exif\0\0", prefix) != 0) return 0;
  const auto tiff = block.subspan(prefix);
  const bool little = tiff[0] == 'I';
  const auto number = [&](std::size_t at, std::size_t count) -> std::optional<std::uint32_t> {
    if (at > tiff.size() || count > tiff.size() - at) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
      value = value << 8 | tiff[at + (little ? count - 1 - i : i)];
    return value;
  };
  const std::size_t directory = number(4, 4).value_or(0);
  const std::uint32_t entries = number(directory, 2).value_or(0);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (!number(entry, 12)) return 0;
    if (*number(entry, 2) == 0x0112) return static_cast<int>(*number(entry + 8, 2));
  }
  return 0;
}

/// Pillow's rule for inverted CMYK as Adobe writes it, always assumed: in place of the samples their complements.
void cmyk_to_rgb(const unsigned char* cmyk, std::size_t pixels, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < pixels; ++i) {
    const int light = cmyk[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int product = (255 - cmyk[4 * i + c]) * light + 128;
      rgb[3 * i + c] = static_cast<std::uint8_t>(std::clamp(light - (((product >> 8) + product) >> 8), 0, 255));
    }
  }
}

}  // namespace

ImageFacts probe_jpeg(std::span<const std::byte> bytes) {
  Decompressor decompressor(bytes);
  const jpeg_decompress_struct& info = decompressor.state().info;
  ImageFacts facts{ImageFormat::jpeg, static_cast<int>(info.image_width), static_cast<int>(info.image_height),
                   info.num_components, 0};
  for (const auto* marker = info.marker_list; marker != nullptr && facts.orientation == 0; marker = marker->next) {
    const int orientation = exif_orientation({marker->data, marker->data_length});
    if (orientation >= 1 && orientation <= 8) facts.orientation = orientation;
  }
  return facts;
}

Image decode_jpeg(std::span<const std::byte> bytes) {
  Decompressor decompressor(bytes);
  State& state = decompressor.state();
  jpeg_decompress_struct& info = state.info;
  check_image_size(info.image_width, info.image_height);
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4) {
    throw data_error("a JPEG of " + std::to_string(info.num_components) + " components, not 1, 3 or 4");
  }
  const bool cmyk = info.num_components == 4;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  info.do_fancy_upsampling = TRUE;

  Image image{static_cast<int>(info.image_width), static_cast<int>(info.image_height), {}};
  const std::size_t pixels = std::size_t{info.image_width} * info.image_height;
  image.rgb.resize(3 * pixels);
  std::vector<unsigned char> inks(cmyk ? 4 * pixels : 0);
  const bool whole = cmyk ? read_rows(state, inks.data(), 4 * std::size_t{info.image_width})
                          : read_rows(state, image.rgb.data(), 3 * std::size_t{info.image_width});
  if (!whole) throw data_error(std::string("damaged JPEG: ") + state.message);
  if (state.ended_early) throw data_error("truncated JPEG: the data end before the image does");
  if (cmyk) cmyk_to_rgb(inks.data(), pixels, image.rgb.data());
  return image;
}

}  // namespace msn
