// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as an image. It decodes or is refused by a data error; and a decoder that has seen all
// the images before gives what a new one gives.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>

#include "base/error.hpp"
#include "data/decode.hpp"

namespace {

constexpr std::uint64_t max_pixels = std::uint64_t{1} << 20;  ///< Larger ones only cost time here.

/// The value, or nothing after a data error. Every other exception is a defect and ends the process.
template <class Function>
auto unless_refused(Function function) -> std::optional<decltype(function())> {
  try {
    return function();
  } catch (const msn::Error& error) {
    if (error.code() != msn::ExitCode::data || error.problem().empty()) std::abort();
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static msn::Decoder decoder;
  static msn::Image image;
  const auto bytes = std::as_bytes(std::span(data, size));

  const auto facts = unless_refused([&] { return msn::probe(bytes); });
  if (facts) {
    const auto width = static_cast<std::uint64_t>(facts->width), height = static_cast<std::uint64_t>(facts->height);
    if (width * height > max_pixels) return 0;
  }
  const auto kept = unless_refused([&] {
    decoder.decode(bytes, image);
    return true;
  });
  const auto anew = unless_refused([&] { return msn::decode(bytes); });
  if (kept.has_value() != anew.has_value() || (kept && !facts)) std::abort();
  if (kept && (image.rgb != anew->rgb || image.width != facts->width || image.height != facts->height)) std::abort();
  return 0;
}
