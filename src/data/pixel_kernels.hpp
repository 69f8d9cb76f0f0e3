// SPDX-License-Identifier: Apache-2.0
// The loops over pixels that the views spend their time in, once for each instruction set. All forms give the same
// bytes; the fastest that the processor can run is chosen when the program runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/pixel_functions.hpp"

namespace msn {

using kernels::blur_passes;
using kernels::BoxFilter;

/// Rows that are handled together by the passes that work across columns.
inline constexpr std::size_t turned_rows = 16;
/// Bytes behind every buffer of pixels that a kernel may read or overwrite beyond the end.
inline constexpr std::size_t pixel_slack = 64;

/// Fixed-point weights of one axis of a resize, two taps at a time: output o is the sum over its pairs i of inputs
/// first[o] + 2 i and first[o] + 2 i + 1, in units of 2^-22, rounded and kept within 0 to 255. A tap's weight is
/// low + 2^15 high, so that 16-bit multiplications give it exactly; an element holds the first tap's part in its low
/// half and the second's in its high half. The second tap of the last pair may weigh nothing and lie beyond the input.
struct Taps {
  static constexpr int fraction_bits = kernels::resize_bits;
  static constexpr int low_bits = 15;
  std::vector<int> first;          ///< [output]
  std::vector<int> pairs;          ///< [output]
  std::vector<std::uint32_t> low;  ///< [output][most_pairs]
  std::vector<std::uint32_t> high;
  std::size_t most_pairs = 0;
};

/// One instruction set's form of every loop. "Turned" pixels lie column after column, turned_rows bytes each: a byte of
/// each of 16 rows of one channel. Planes of n pixels are processed in whole vectors: up to pixel_slack bytes behind
/// them are read and overwritten.
struct PixelKernels {
  std::string_view name;

  /// 16 rows of `columns` interleaved RGB pixels to three turned channels of that many columns.
  void (*split_and_turn)(const std::uint8_t* const* rows, std::size_t columns, std::uint8_t* const* channels);
  /// 16 rows of one channel to turned columns, and back into `count` rows `stride` bytes apart. Each tile of 16 columns
  /// is written whole, from the last to the first: what a row's last tile writes too much lies in the next row.
  void (*turn)(const std::uint8_t* const* rows, std::size_t columns, std::uint8_t* turned);
  void (*unturn)(const std::uint8_t* turned, std::size_t columns, std::uint8_t* rows, std::size_t stride,
                 std::size_t count);

  /// out[h][o][lane] = the weighted sum over in[h][tap][lane] for halves h = 0, 1 of 16 lanes, output after output, the
  /// second half after the first (what it writes beyond a row belongs to the next output); taps and outputs are
  /// `in_stride` and `out_stride` bytes apart.
  void (*weigh)(const std::uint8_t* const* in, std::size_t in_stride, std::uint8_t* const* out,
                std::ptrdiff_t out_stride, const Taps& taps);

  /// Sum over n pixels of the luma (19595 R + 38470 G + 7471 B + 32768) >> 16.
  std::uint64_t (*luma_sum)(const std::uint8_t* const* planes, std::size_t n);
  /// All planes become the luma.
  void (*grayscale)(std::uint8_t* const* planes, std::size_t n);
  /// level = degenerate + factor * (level - degenerate) in float32, every step rounded, truncated, kept within 0 to
  /// 255.
  void (*blend_constant)(std::uint8_t* levels, std::size_t n, int degenerate, float factor);
  /// The same with each pixel's luma as the degenerate level of its three channels.
  void (*blend_luma)(std::uint8_t* const* planes, std::size_t n, float factor);
  /// To 8-bit HSV, `shift` added to H modulo 256, and back.
  void (*shift_hue)(std::uint8_t* const* planes, std::size_t n, std::uint8_t shift);

  /// Filters n steps of 16 lanes blur_passes times along the steps, each pass rounded to 8 bits, edges repeated. Steps
  /// are `in_stride` and `out_stride` bytes apart; in and out do not overlap.
  void (*blur)(const std::uint8_t* in, std::size_t in_stride, std::uint8_t* out, std::size_t out_stride, std::size_t n,
               const BoxFilter& box);
};

/// Plain C++ for any processor.
const PixelKernels& generic_pixel_kernels();
/// Null where the program was not built for it or the processor cannot run it.
const PixelKernels* avx2_pixel_kernels();
/// The fastest form here.
const PixelKernels& pixel_kernels();

}  // namespace msn
