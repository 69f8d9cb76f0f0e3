// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "data/codecs.hpp"

namespace msn {

constexpr int max_scans = 500;  ///< A small progressive file can ask for millions of scans over a large image.
constexpr long max_coefficient_bytes = 1L << 31;  ///< What four components of the largest image need, if progressive.
constexpr JDIMENSION batch_rows = 16;             ///< Rows asked for at once.

/// libjpeg reports errors by a call that must not return: it jumps. So that no destructor is jumped over, the only
/// functions that call libjpeg are the plain ones below that take a state and hold nothing else.
struct JpegState {
  JpegState();
  ~JpegState() { jpeg_destroy_decompress(&info); }
  JpegState(const JpegState&) = delete;
  JpegState& operator=(const JpegState&) = delete;
  [[noreturn]] void fail() const {
    throw data_error(truncated ? "truncated JPEG: the data end before the image does"
                               : std::string("damaged JPEG: ") + message);
  }

  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  void* (*alloc_small)(j_common_ptr, int, std::size_t) = nullptr;  ///< libjpeg's own.
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = "";
  bool truncated = false;
};

namespace {

JpegState& state_of(j_common_ptr info) {
  return *static_cast<JpegState*>(info->client_data);
}

void on_error(j_common_ptr info) {
  JpegState& state = state_of(info);
  info->err->format_message(info, state.message);
  std::longjmp(state.escape, 1);
}

/// Where the data end early libjpeg warns and goes on as if an end marker stood there. Pillow refuses such a file, and
/// there is no use in decoding the rest of it.
void on_message(j_common_ptr info, int level) {
  if (level >= 0 || info->err->msg_code != JWRN_JPEG_EOF) return;
  JpegState& state = state_of(info);
  state.truncated = true;
  std::longjmp(state.escape, 1);
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  JpegState& state = state_of(info);
  if (state.info.input_scan_number <= max_scans) return;
  std::snprintf(state.message, sizeof state.message, "more than %d scans", max_scans);
  std::longjmp(state.escape, 1);
}

/// libjpeg keeps the tables that an image brings until the decompressor is destroyed, so that a next image need not
/// bring them again: here they are let go with their image.
void* for_one_image(j_common_ptr info, int, std::size_t size) {
  return state_of(info).alloc_small(info, JPOOL_IMAGE, size);
}

bool create(JpegState& state) {
  static constexpr unsigned char nothing[1] = {};
  state.info.err = jpeg_std_error(&state.errors);
  state.errors.error_exit = on_error;
  state.errors.emit_message = on_message;
  state.errors.output_message = on_output;
  state.info.client_data = &state;
  if (setjmp(state.escape) != 0) return false;
  jpeg_create_decompress(&state.info);
  state.progress.progress_monitor = on_progress;
  state.info.progress = &state.progress;
  state.info.mem->max_memory_to_use = max_coefficient_bytes;
  jpeg_mem_src(&state.info, nothing, sizeof nothing);  // Makes the source, which stays.
  state.alloc_small = state.info.mem->alloc_small;
  state.info.mem->alloc_small = for_one_image;
  return true;
}

/// Drops what is left of the image before, whole or not.
void forget(JpegState& state) {
  jpeg_abort_decompress(&state.info);
  std::fill(std::begin(state.info.quant_tbl_ptrs), std::end(state.info.quant_tbl_ptrs), nullptr);
  std::fill(std::begin(state.info.dc_huff_tbl_ptrs), std::end(state.info.dc_huff_tbl_ptrs), nullptr);
  std::fill(std::begin(state.info.ac_huff_tbl_ptrs), std::end(state.info.ac_huff_tbl_ptrs), nullptr);
  state.truncated = false;
}

/// Reads the header. False: the state says why not.
bool read_header(JpegState& state, const unsigned char* bytes, unsigned long size) {
  forget(state);
  if (setjmp(state.escape) != 0) return false;
  jpeg_mem_src(&state.info, bytes, size);
  jpeg_read_header(&state.info, TRUE);
  return true;
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

/// Decodes all rows to `rgb`; those of a CMYK image by way of `inks`, which holds batch_rows rows and is otherwise
/// null.
bool read_rows(JpegState& state, std::uint8_t* rgb, std::uint8_t* inks) {
  if (setjmp(state.escape) != 0) return false;
  jpeg_start_decompress(&state.info);
  const std::size_t width = state.info.output_width;
  while (state.info.output_scanline < state.info.output_height) {
    std::uint8_t* const out = rgb + 3 * width * state.info.output_scanline;
    const JDIMENSION wanted = std::min(batch_rows, state.info.output_height - state.info.output_scanline);
    JSAMPROW rows[batch_rows];
    for (JDIMENSION i = 0; i < wanted; ++i)
      rows[i] = inks != nullptr ? inks + 4 * width * i : out + 3 * width * i;
    const JDIMENSION got = jpeg_read_scanlines(&state.info, rows, wanted);
    if (inks != nullptr) cmyk_to_rgb(inks, got * width, out);
  }
  jpeg_finish_decompress(&state.info);
  return true;
}

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

}  // namespace

JpegState::JpegState() {
  if (create(*this)) return;
  jpeg_destroy_decompress(&info);
  fail();
}

ImageFacts probe_jpeg(std::span<const std::byte> bytes) {
  JpegState state;
  jpeg_save_markers(&state.info, JPEG_APP0 + 1, 0xffff);
  if (!read_header(state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())) state.fail();
  const jpeg_decompress_struct& info = state.info;
  ImageFacts facts{ImageFormat::jpeg, static_cast<int>(info.image_width), static_cast<int>(info.image_height),
                   info.num_components, 0};
  for (const auto* marker = info.marker_list; marker != nullptr && facts.orientation == 0; marker = marker->next) {
    const int orientation = exif_orientation({marker->data, marker->data_length});
    if (orientation >= 1 && orientation <= 8) facts.orientation = orientation;
  }
  return facts;
}

JpegDecoder::JpegDecoder() : state_(std::make_unique<JpegState>()) {}
JpegDecoder::~JpegDecoder() = default;

void JpegDecoder::decode(std::span<const std::byte> bytes, Image& into) {
  JpegState& state = *state_;
  jpeg_decompress_struct& info = state.info;
  if (!read_header(state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())) state.fail();
  check_image_size(info.image_width, info.image_height);
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4) {
    throw data_error("a JPEG of " + std::to_string(info.num_components) + " components, not 1, 3 or 4");
  }
  const bool cmyk = info.num_components == 4;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  info.do_fancy_upsampling = TRUE;

  const std::size_t width = info.image_width;
  into.width = static_cast<int>(info.image_width);
  into.height = static_cast<int>(info.image_height);
  into.rgb.resize(3 * width * info.image_height);
  if (cmyk) inks_.resize(4 * width * batch_rows);
  if (!read_rows(state, into.rgb.data(), cmyk ? inks_.data() : nullptr)) state.fail();
}

}  // namespace msn
