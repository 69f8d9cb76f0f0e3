// SPDX-License-Identifier: Apache-2.0
#include "base/hdf5_messages.hpp"

#include <array>
#include <bit>
#include <limits>
#include <utility>

namespace msn::h5 {

namespace {

constexpr int max_rank = 32;  ///< HDF5's own limit.

/// What is behind the size in the header of a real: little-endian, of IEEE 754's single or double format.
bool is_ieee_real(Cursor properties, std::uint8_t bits, std::uint8_t sign, std::uint64_t size) {
  constexpr std::uint8_t implied_leading_bit = 0x20;  // And low byte first, padding of zeros.
  if (bits != implied_leading_bit || (size != 4 && size != 8) || sign != 8 * size - 1) return false;
  const bool single = size == 4;
  const auto bit_offset = properties.number<std::uint16_t>();
  const auto precision = properties.number<std::uint16_t>();
  const auto exponent_at = properties.number<std::uint8_t>();
  const auto exponent_bits = properties.number<std::uint8_t>();
  const auto mantissa_at = properties.number<std::uint8_t>();
  const auto mantissa_bits = properties.number<std::uint8_t>();
  const auto bias = properties.number<std::uint32_t>();
  return bit_offset == 0 && precision == 8 * size && mantissa_at == 0 && exponent_at == mantissa_bits &&
         mantissa_bits == (single ? 23 : 52) && exponent_bits == (single ? 8 : 11) && bias == (single ? 127 : 1023);
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
  const auto second_bits = body.number<std::uint8_t>();
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
  if ((kind & 15) == 1 && is_ieee_real(body, bits, second_bits, size)) return Type{ElementKind::real, size};
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
  if (!type || type->kind == ElementKind::text || type->kind == ElementKind::real ||
      parse_space(Cursor(space_bytes)).elements != 1)
    return;
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
