// SPDX-License-Identifier: Apache-2.0
#include "base/protobuf.hpp"

#include <bit>

#include "base/error.hpp"

namespace msn {
namespace {

/// How the value of a field is stored.
enum class WireType : std::uint32_t { varint = 0, fixed64 = 1, sized = 2, fixed32 = 5 };

std::uint64_t tag(std::uint32_t field, WireType type) {
  MSN_CHECK(field >= 1 && field < std::uint32_t{1} << 29);
  return std::uint64_t{field} << 3 | static_cast<std::uint32_t>(type);
}

}  // namespace

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
void ProtobufMessage::add_varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    bytes_.push_back(static_cast<char>((value & 0x7f) | 0x80));
  bytes_.push_back(static_cast<char>(value));
}

void ProtobufMessage::add_fixed32(std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8)
    bytes_.push_back(static_cast<char>(value >> shift & 0xff));
}

void ProtobufMessage::add_integer(std::uint32_t field, std::int64_t value) {
  add_varint(tag(field, WireType::varint));
  add_varint(static_cast<std::uint64_t>(value));
}

void ProtobufMessage::add_float(std::uint32_t field, float value) {
  add_varint(tag(field, WireType::fixed32));
  add_fixed32(std::bit_cast<std::uint32_t>(value));
}

void ProtobufMessage::add_double(std::uint32_t field, double value) {
  add_varint(tag(field, WireType::fixed64));
  const auto bits = std::bit_cast<std::uint64_t>(value);
  add_fixed32(static_cast<std::uint32_t>(bits));
  add_fixed32(static_cast<std::uint32_t>(bits >> 32));
}

void ProtobufMessage::add_bytes(std::uint32_t field, std::string_view value) {
  add_size(field, value.size());
  bytes_.append(value);
}

void ProtobufMessage::add_message(std::uint32_t field, const ProtobufMessage& value) {
  add_bytes(field, value.bytes());
}

void ProtobufMessage::add_packed(std::uint32_t field, std::span<const std::int64_t> values) {
  if (values.empty()) return;
  ProtobufMessage packed;
  for (const std::int64_t value : values)
    packed.add_varint(static_cast<std::uint64_t>(value));
  add_message(field, packed);
}

void ProtobufMessage::add_size(std::uint32_t field, std::uint64_t size) {
  add_varint(tag(field, WireType::sized));
  add_varint(size);
}

}  // namespace msn
