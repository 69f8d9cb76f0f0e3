// SPDX-License-Identifier: Apache-2.0
#include "base/hdf5.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(Hdf5, WritesAndReadsBack) {
  const test::TempDir dir;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  {
    h5::File file(dir / "a.h5", h5::Mode::create);
    file.write<float>("group/values", values, {2, 3});
    file.write_strings("names", {"one", "zwölf", ""});
    file.set_int_attribute("/", "complete", 1);
    file.set_text_attribute("/", "text", "hello");
    file.close();
  }
  const h5::File file(dir / "a.h5", h5::Mode::read);
  EXPECT_EQ(file.read<float>("group/values"), values);
  EXPECT_EQ(file.read<double>("group/values"), std::vector<double>(values.begin(), values.end()));
  EXPECT_EQ(file.read_strings("names"), (std::vector<std::string>{"one", "zwölf", ""}));
  EXPECT_EQ(file.int_attribute("/", "complete"), 1);
  EXPECT_EQ(file.text_attribute("/", "text"), "hello");
  EXPECT_EQ(file.facts("group/values").shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_TRUE(file.exists("group/values"));
  EXPECT_FALSE(file.exists("nowhere/values"));
  EXPECT_EQ(file.list("/"), (std::vector<std::string>{"group", "names"}));
}

TEST(Hdf5, BulkBytesLieAtTheFileOffset) {
  const test::TempDir dir;
  std::uint64_t offset = 0;
  {
    h5::File file(dir / "a.h5", h5::Mode::create);
    offset = file.create("bytes", H5T_NATIVE_UINT8, {4});
    file.close();
  }
  const std::array<std::byte, 4> written{std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}};
  FileHandle(dir / "a.h5", O_RDWR).write_at(written, offset);
  const h5::File file(dir / "a.h5", h5::Mode::read);
  EXPECT_EQ(file.read<std::uint8_t>("bytes"), (std::vector<std::uint8_t>{9, 8, 7, 6}));
  EXPECT_EQ(file.facts("bytes").file_offset, offset);
}

TEST(Hdf5, EqualContentGivesEqualFiles) {
  const test::TempDir dir;
  for (const char* name : {"a.h5", "b.h5"}) {
    h5::File file(dir / name, h5::Mode::create);
    const std::vector<double> values{1, 2};
    file.write<double>("g/x", values, {2});
    file.set_int_attribute("/", "n", 3);
    file.close();
  }
  EXPECT_EQ(hash_file(dir / "a.h5"), hash_file(dir / "b.h5"));
}

TEST(Hdf5, RefusesWhatIsNoHdf5) {
  const test::TempDir dir;
  write_durably(dir / "a.h5", "this is text");
  try {
    h5::File file(dir / "a.h5", h5::Mode::read);
    FAIL() << "opened a text file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_NE(std::string(error.what()).find("a.h5"), std::string::npos);
  }
}

}  // namespace
}  // namespace msn
