// SPDX-License-Identifier: Apache-2.0
#include "exchange/safetensors_writer.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/error.hpp"
#include "base/files.hpp"
#include "exchange/safetensors.hpp"
#include "support/support.hpp"
#include "support/vit_tensors.hpp"

namespace msn {
namespace {

NamedTensor of_bytes(const std::string& name, const std::string& dtype, const std::vector<std::int64_t>& shape,
                     std::size_t count, char fill) {
  return {name, dtype, shape, [count, fill] { return std::vector<std::byte>(count, static_cast<std::byte>(fill)); }};
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const test::TempDir dir;
  const std::vector<NamedTensor> tensors{
      of_bytes("half", "BF16", {3}, 6, 'a'), of_bytes("plain", "F32", {2, 2}, 16, 'b'),
      of_bytes("count", "I64", {}, 8, 'c'), of_bytes("nothing", "F32", {0, 4}, 0, 'd')};
  write_safetensors(dir / "a.safetensors", tensors, {{"format", "pt"}, {"epoch", "3"}});
  const SafetensorsFile file(dir / "a.safetensors");
  // Wider types first, so that each begins at a multiple of its size.
  std::vector<std::string> names;
  for (const SafetensorsEntry& entry : file.entries()) {
    names.push_back(entry.name);
    EXPECT_EQ(entry.begin % safetensors_element_bytes(entry.dtype).value(), 0u) << entry.name;
    for (const NamedTensor& tensor : tensors) {
      if (tensor.name != entry.name) continue;
      EXPECT_EQ(entry.dtype, tensor.dtype);
      EXPECT_EQ(entry.shape, tensor.shape);
      EXPECT_EQ(file.read(entry), tensor.read());
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"count", "plain", "nothing", "half"}));

  const std::string text = read_text(dir / "a.safetensors");
  const std::size_t length = static_cast<unsigned char>(text[0]) + 256u * static_cast<unsigned char>(text[1]);
  EXPECT_EQ((8 + length) % 64, 0u);
  EXPECT_EQ(text.size(), 8 + length + 30);
  const auto header = nlohmann::json::parse(text.substr(8, length));
  EXPECT_EQ(header["__metadata__"], (nlohmann::json{{"format", "pt"}, {"epoch", "3"}}));
  EXPECT_FALSE(std::filesystem::exists(dir / "a.safetensors.tmp"));

  write_safetensors(dir / "b.safetensors", tensors, {{"epoch", "3"}, {"format", "pt"}});
  EXPECT_EQ(read_text(dir / "b.safetensors"), text);
}

TEST(SafetensorsWriter, LeavesTheOldFileWhereATensorCannotBeRead) {
  const test::TempDir dir;
  write_safetensors(dir / "a.safetensors", std::vector{of_bytes("x", "F32", {1}, 4, 'a')}, {});
  const std::string before = read_text(dir / "a.safetensors");
  std::vector<NamedTensor> tensors{of_bytes("x", "F32", {1}, 4, 'b'), of_bytes("y", "F32", {1}, 4, 'b')};
  tensors[1].read = []() -> std::vector<std::byte> { throw std::runtime_error("gone"); };
  EXPECT_THROW(write_safetensors(dir / "a.safetensors", tensors, {}), std::runtime_error);
  tensors[1] = of_bytes("y", "F32", {1}, 3, 'b');
  EXPECT_THROW(write_safetensors(dir / "a.safetensors", tensors, {}), Error);
  tensors[1] = of_bytes("x", "F32", {1}, 4, 'b');
  EXPECT_THROW(write_safetensors(dir / "a.safetensors", tensors, {}), Error);
  EXPECT_EQ(read_text(dir / "a.safetensors"), before);
  EXPECT_FALSE(std::filesystem::exists(dir / "a.safetensors.tmp"));
  EXPECT_THROW(write_safetensors(dir / "absent" / "a.safetensors", std::vector{of_bytes("x", "F32", {1}, 4, 'a')}, {}),
               Error);
}

}  // namespace
}  // namespace msn
