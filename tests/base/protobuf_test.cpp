// SPDX-License-Identifier: Apache-2.0
#include "base/protobuf.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "support/refusal.hpp"

namespace msn {
namespace {

std::string text(std::initializer_list<int> bytes) {
  std::string result;
  for (const int byte : bytes)
    result.push_back(static_cast<char>(byte));
  return result;
}

std::string integer(std::uint32_t field, std::int64_t value) {
  ProtobufMessage message;
  message.add_integer(field, value);
  return message.bytes();
}

// The examples of protobuf.dev/programming-guides/encoding, and what it says of signs and tags.
TEST(Protobuf, WritesIntegersAsVarints) {
  EXPECT_EQ(integer(1, 150), text({0x08, 0x96, 0x01}));
  EXPECT_EQ(integer(1, 0), text({0x08, 0x00}));
  EXPECT_EQ(integer(1, 127), text({0x08, 0x7f}));
  EXPECT_EQ(integer(1, 128), text({0x08, 0x80, 0x01}));
  EXPECT_EQ(integer(1, -2), text({0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
  EXPECT_EQ(integer(1, std::numeric_limits<std::int64_t>::max()),
            text({0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}));
  EXPECT_EQ(integer(16, 1), text({0x80, 0x01, 0x01}));
  EXPECT_EQ(integer((1u << 29) - 1, 1), text({0xf8, 0xff, 0xff, 0xff, 0x0f, 0x01}));
}

TEST(Protobuf, WritesFloatsInFourBytes) {
  ProtobufMessage message;
  message.add_float(2, 1.0f);
  message.add_float(2, -2.5f);
  EXPECT_EQ(message.bytes(), text({0x15, 0x00, 0x00, 0x80, 0x3f, 0x15, 0x00, 0x00, 0x20, 0xc0}));
}

TEST(Protobuf, WritesDoublesInEightBytes) {
  ProtobufMessage message;
  message.add_double(1, -2.5);
  EXPECT_EQ(message.bytes(), text({0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0xc0}));
}

TEST(Protobuf, WritesTextsAndMessagesBehindTheirSize) {
  ProtobufMessage message;
  message.add_bytes(2, "testing");
  EXPECT_EQ(message.bytes(), text({0x12, 0x07}) + "testing");
  message.add_bytes(2, "");
  EXPECT_EQ(message.bytes(), text({0x12, 0x07}) + "testing" + text({0x12, 0x00}));

  ProtobufMessage inner, outer;
  inner.add_integer(1, 150);
  outer.add_message(3, inner);
  EXPECT_EQ(outer.bytes(), text({0x1a, 0x03, 0x08, 0x96, 0x01}));

  // The value may come from elsewhere.
  ProtobufMessage begun;
  begun.add_size(2, 7);
  EXPECT_EQ(begun.bytes() + "testing", text({0x12, 0x07}) + "testing");
  ProtobufMessage large;
  large.add_size(9, std::uint64_t{3} << 30);
  EXPECT_EQ(large.bytes(), text({0x4a, 0x80, 0x80, 0x80, 0x80, 0x0c}));
}

TEST(Protobuf, PacksNumbers) {
  ProtobufMessage message;
  message.add_packed(6, std::vector<std::int64_t>{3, 270, 86942});
  EXPECT_EQ(message.bytes(), text({0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05}));
  ProtobufMessage none;
  none.add_packed(6, {});
  EXPECT_EQ(none.bytes(), "");
}

TEST(Protobuf, KnowsNoOtherFieldNumbers) {
  for (const std::uint32_t field : {0u, 1u << 29, std::numeric_limits<std::uint32_t>::max()}) {
    EXPECT_NE(test::refusal([&] { integer(field, 1); }, ExitCode::internal).find("field"), std::string::npos) << field;
  }
}

}  // namespace
}  // namespace msn
