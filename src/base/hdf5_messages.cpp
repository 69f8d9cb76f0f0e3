// SPDX-License-Identifier: Apache-2.0
#include "base/hdf5_messages.hpp"

#include <array>
#include <bit>
#include <limits>
#include <utility>

namespace msn::h5 {

namespace {

constexpr int max_rank = 32;  ///< HDF5's own limit.

/// IEEE 754's two sizes, with the bits of sign, exponent and mantissa where they belong.
bool is_ieee(std::uint8_t bits, std::uint8_t sign, std::uint64_t size, Cursor body) {
  struct Format {
    std::uint16_t offset, precision;
    std::uint8_t exponent_at, exponent_size, mantissa_at, mantissa_size;
    std::uint32_t bias;
    bool operator==(const Format&) const = default;
  };
  Format format{};
  format.offset = body.number<std::uint16_t>();
  format.precision = body.number<std::uint16_t>();
  format.exponent_at = body.number<std::uint8_t>();
  format.exponent_size = body.number<std::uint8_t>();
  format.mantissa_at = body.number<std::uint8_t>();
  format.mantissa_size = body.number<std::uint8_t>();
  format.bias = body.number<std::uint32_t>();
  constexpr std::uint8_t little_endian_with_implied_bit = 0x20;
  if (bits != little_endian_with_implied_bit || sign != 8 * size - 1) return false;
  return (size == 4 && format == Format{0, 32, 23, 8, 0, 23, 127}) ||
         (size == 8 && format == Format{0, 64, 52, 11, 0, 52, 1023});
}

}  // namespace

void refuse(std::string what) {
  throw Refusal{std::move(what)};
}

void Cursor::expect(std::string_view signature) {
  const auto bytes = take(signature.size());
  if (std::memcmp(bytes.data(), signature.data(), signature.size()) != 0) refuse("a structure without its signature");
}

Space parse_space(Cursor body) {
  const auto version = body.number<std::uint8_t>();
  const int rank = body.number<std::uint8_t>();
  const auto flags = body.number<std::uint8_t>();
  if (version == 1) {
    body.skip(5);
  } else if (version != 2 || body.number<std::uint8_t>() == 2) {
    refuse("a dataspace of an unknown version or without extent");
  }
  if (rank > max_rank || flags > 1) refuse("a dataspace of " + std::to_string(rank) + " dimensions or with an order");
  Space space;
  for (int i = 0; i < rank; ++i) {
    const auto extent = body.number<std::uint64_t>();
    if (extent != 0 && space.elements > std::numeric_limits<std::uint64_t>::max() / extent)
      refuse("a dataspace of more than 2^64 elements");
    space.elements *= extent;
    space.shape.push_back(extent);
  }
  return space;
}

std::optional<Type> parse_type(Cursor body) {
  const auto kind = body.number<std::uint8_t>();
  const auto bits = body.number<std::uint8_t>();
  const auto sign = body.number<std::uint8_t>();
  body.skip(1);
  const std::uint64_t size = body.number<std::uint32_t>();
  if (kind >> 4 < 1 || kind >> 4 > 3) return std::nullopt;
  if ((kind & 15) == 0) {
    const auto bit_offset = body.number<std::uint16_t>();
    const auto precision = body.number<std::uint16_t>();
    const bool big_endian = (bits & 1) != 0;
    if (big_endian || bit_offset != 0 || size > 8 || !std::has_single_bit(size) || precision != 8 * size) {
      return std::nullopt;
    }
    return Type{(bits & 8) != 0 ? ElementKind::signed_integer : ElementKind::unsigned_integer, size};
  }
  if ((kind & 15) == 1) {
    if (!is_ieee(bits, sign, size, body)) return std::nullopt;
    return Type{ElementKind::real, size};
  }
  const bool padded_by_zeros = (bits & 15) <= 1;
  if ((kind & 15) == 3 && padded_by_zeros && size > 0) return Type{ElementKind::text, size};
  return std::nullopt;
}

Extent parse_layout(Cursor body) {
  static constexpr std::array names{"compact", "contiguous", "chunked", "virtual"};
  const auto version = body.number<std::uint8_t>();
  const auto kind = body.number<std::uint8_t>();
  if (version != 3 && version != 4) refuse("storage of version " + std::to_string(version));
  if (kind != 1) {
    refuse(std::string(kind < names.size() ? names[kind] : "unknown") + " storage, where only contiguous is read");
  }
  const auto offset = body.number<std::uint64_t>();
  return {offset, body.number<std::uint64_t>()};
}

void parse_attribute(Cursor body, std::map<std::string, std::int64_t>& into) {
  const auto version = body.number<std::uint8_t>();
  const auto flags = body.number<std::uint8_t>();
  const std::size_t name_size = body.number<std::uint16_t>();
  const std::size_t type_size = body.number<std::uint16_t>();
  const std::size_t space_size = body.number<std::uint16_t>();
  if (version < 1 || version > 3) refuse("an attribute of version " + std::to_string(version));
  if (version == 3) body.skip(1);
  if (version > 1 && flags != 0) return;  // Its type lies elsewhere.
  const auto padded = [&](std::size_t size) { return version == 1 ? (size + 7) / 8 * 8 : size; };
  const auto name = body.take(padded(name_size)).first(name_size);
  const std::optional<Type> type = parse_type(Cursor(body.take(padded(type_size)).first(type_size)));
  const auto space_bytes = body.take(padded(space_size)).first(space_size);
  const bool is_integer =
      type && (type->kind == ElementKind::signed_integer || type->kind == ElementKind::unsigned_integer);
  if (!is_integer || parse_space(Cursor(space_bytes)).elements != 1) return;
  const auto raw = body.take(type->size);
  std::uint64_t value = 0;
  std::memcpy(&value, raw.data(), raw.size());
  const auto unused = static_cast<int>(64 - 8 * type->size);
  const std::int64_t number = type->kind == ElementKind::signed_integer
                                  ? static_cast<std::int64_t>(value << unused) >> unused
                                  : static_cast<std::int64_t>(value);
  const char* text = reinterpret_cast<const char*>(name.data());
  if (!into.emplace(std::string(text, strnlen(text, name.size())), number).second) refuse("an attribute twice");
}

}  // namespace msn::h5
