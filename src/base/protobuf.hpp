// SPDX-License-Identifier: Apache-2.0
// Writing messages in the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding): fields one after
// the other, each a tag (its number and how its value is stored) and the value.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace msn {

/// A message that grows field by field. Numbers and types of fields are those of its .proto file, from 1 to 2^29 - 1; a
/// repeated field is added once for each of its values.
class ProtobufMessage {
 public:
  /// int32, int64, bool, enum.
  void add_integer(std::uint32_t field, std::int64_t value);
  void add_float(std::uint32_t field, float value);
  void add_double(std::uint32_t field, double value);
  /// string, bytes.
  void add_bytes(std::uint32_t field, std::string_view value);
  void add_message(std::uint32_t field, const ProtobufMessage& value);
  /// All values of a repeated int32 or int64 at once. Nothing is written for none.
  void add_packed(std::uint32_t field, std::span<const std::int64_t> values);
  /// What stands before the value of a field of bytes or a message: the value itself, `size` bytes, is written behind
  /// bytes() by whoever holds it.
  void add_size(std::uint32_t field, std::uint64_t size);

  const std::string& bytes() const { return bytes_; }

 private:
  void add_varint(std::uint64_t value);
  void add_fixed32(std::uint32_t value);

  std::string bytes_;
};

}  // namespace msn
