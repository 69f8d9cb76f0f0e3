// SPDX-License-Identifier: Apache-2.0
#include "exchange/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "base/error.hpp"
#include "support/safetensors.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Safetensors, ReadsNamesShapesAndBytesOfEveryType) {
  const test::TempDir dir;
  const std::vector<std::pair<std::string, std::size_t>> types{
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I64", 8}, {"U64", 8},
      {"I32", 4}, {"U32", 4}, {"I16", 2}, {"U16", 2},  {"I8", 1},      {"U8", 1},      {"BOOL", 1}};
  std::vector<test::SafetensorsTensor> tensors;
  char fill = 'a';
  for (const auto& [dtype, size] : types)
    tensors.push_back({"tensor." + dtype, dtype, {2, 3}, std::string(6 * size, fill++)});
  tensors.push_back({"scalar", "F32", {}, "1234"});
  tensors.push_back({"nothing", "F32", {0, 5}, ""});
  test::write_safetensors(dir / "a.safetensors", tensors);
  const SafetensorsFile file(dir / "a.safetensors");
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(file.entries()[i].name, tensors[i].name);
    EXPECT_EQ(file.entries()[i].dtype, tensors[i].dtype);
    EXPECT_EQ(file.entries()[i].shape, tensors[i].shape);
    EXPECT_EQ(text_of(file.read(file.entries()[i])), tensors[i].bytes);
  }
}

/// The error of a file with this header and so many bytes of data.
std::optional<Error> refused(const std::string& header, std::size_t data_bytes,
                             std::optional<std::uint64_t> length = std::nullopt) {
  const test::TempDir dir;
  test::write_raw_safetensors(dir / "a.safetensors", length.value_or(header.size()), header,
                              std::string(data_bytes, 'x'));
  try {
    const SafetensorsFile file(dir / "a.safetensors");
  } catch (const Error& error) {
    EXPECT_NE(error.where().find("a.safetensors"), std::string::npos) << error.what();
    return error;
  }
  return std::nullopt;
}

std::string entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
  return "\"" + name + R"(": {"dtype": ")" + dtype + R"(", "shape": [)" + shape + R"(], "data_offsets": [)" + offsets +
         "]}";
}

struct BadFile {
  std::string header;
  std::size_t data_bytes;
  std::string problem;
  std::optional<std::uint64_t> length = std::nullopt;
};

TEST(Safetensors, RefusesDamagedFiles) {
  const std::string good = "{" + entry("a", "2", "0, 8") + "}";
  ASSERT_FALSE(refused(good, 8));
  const std::vector<BadFile> files{
      {good, 7, "ends inside the tensor"},
      {good, 9, "goes on for 1 bytes"},
      {"{}", 0, "cannot have 18446744073709551615 bytes", UINT64_MAX},
      {"{}", 0, "cannot have 3 bytes", 3},
      {std::string(17 << 20, ' '), 0, "cannot have 17825792 bytes"},
      {"{", 0, "not JSON"},
      {"", 0, "not JSON"},
      {"\"\xff\"", 0, "not JSON"},
      {"[]", 0, "no JSON object"},
      {"{" + entry("a", "2", "0, 8") + ", " + entry("a", "2", "0, 8") + "}", 8, "stands twice"},
      {"{\"a\": " + std::string(100, '[') + std::string(100, ']') + "}", 0, "nested too deeply"},
      {"{\"__metadata__\": {\"a\": 1}}", 0, "__metadata__"},
      {"{\"a\": 1}", 0, "not dtype, shape and data_offsets"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2]}}", 8, "not dtype, shape and data_offsets"},
      {"{\"a\": {\"dtype\": 1, \"shape\": [2], \"data_offsets\": [0, 8]}}", 8, "not dtype, shape and data_offsets"},
      {"{" + entry("", "2", "0, 8") + "}", 8, "name has 0 bytes"},
      {"{" + entry(std::string(256, 'a'), "2", "0, 8") + "}", 8, "name has 256 bytes"},
      {"{" + entry("a", "-2", "0, 8") + "}", 8, "no list of sizes"},
      {"{" + entry("a", "2.0", "0, 8") + "}", 8, "no list of sizes"},
      {"{" + entry("a", "18446744073709551615", "0, 8") + "}", 8, "no list of sizes"},
      {"{" + entry("a", "4294967296, 4294967296", "0, 8") + "}", 8, "impossible"},
      {"{" + entry("a", "3", "0, 8") + "}", 8, "has 8 bytes where its shape needs 12"},
      {"{" + entry("a", "2", "8, 0") + "}", 8, "no range"},
      {"{" + entry("a", "2", "0, 8, 8") + "}", 8, "no range"},
      {"{" + entry("a", "2", "0, 8") + ", " + entry("b", "2", "4, 12") + "}", 12, "overlaps"},
      {"{" + entry("a", "2", "0, 8") + ", " + entry("b", "2", "12, 20") + "}", 20, "hole"},
      {"{" + entry("a", "1152921504606846976", "0, 4611686018427387904") + "}", 8, "ends inside the tensor"},
  };
  for (const BadFile& file : files) {
    const auto error = refused(file.header, file.data_bytes, file.length);
    ASSERT_TRUE(error) << file.problem;
    EXPECT_EQ(error->code(), ExitCode::data) << error->what();
    EXPECT_NE(error->problem().find(file.problem), std::string::npos) << error->what();
  }
}

TEST(Safetensors, RefusesWhatIsShorterThanALength) {
  const test::TempDir dir;
  std::ofstream(dir / "a.safetensors") << "1234567";
  EXPECT_THROW(SafetensorsFile(dir / "a.safetensors"), Error);
  EXPECT_THROW(SafetensorsFile(dir / "absent"), Error);
}

TEST(Safetensors, CallsAnUnknownTypeNoDamage) {
  const auto error = refused("{" + entry("a", "2", "0, 8", "F31") + "}", 8);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ExitCode::config);
  EXPECT_NE(std::string(error->what()).find("F31"), std::string::npos);
}

}  // namespace
}  // namespace msn
