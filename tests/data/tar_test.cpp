// SPDX-License-Identifier: Apache-2.0
#include "data/tar.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "data_support.hpp"
#include "support/support.hpp"
#include "tar_support.hpp"

namespace msn {
namespace {

using test::tar_content;
using test::tar_end;
using test::tar_file;
using test::tar_header;
using test::tar_pax;

class TarTest : public ::testing::Test {
 protected:
  std::vector<TarMember> list(const std::string& archive) {
    test::write_file(dir_ / "a.tar", archive);
    const FileHandle file(dir_ / "a.tar", O_RDONLY);
    return list_tar(file, {0, archive.size()}, "a.tar");
  }
  void expect_error(const std::string& archive, const std::vector<std::string>& parts) {
    test::expect_data_error([&] { list(archive); }, parts);
  }
  test::TempDir dir_;
};

TEST_F(TarTest, GivesNamesKindsAndPlaces) {
  const std::string archive = test::tar_folder("cat/") + tar_file("cat/1.jpg", "hello") + tar_header("l", '2', 0) +
                              tar_header("h", '1', 77) + tar_header("pipe", '6', 0) + tar_file("empty", "") +
                              tar_file("block", std::string(512, 'x')) + tar_end();
  const auto members = list(archive);
  ASSERT_EQ(members.size(), 7u);
  EXPECT_EQ(members[0].kind, TarKind::folder);
  EXPECT_EQ(members[1].name, "cat/1.jpg");
  EXPECT_EQ(members[1].kind, TarKind::file);
  EXPECT_EQ(archive.substr(members[1].offset, members[1].size), "hello");
  EXPECT_EQ(members[2].kind, TarKind::link);
  EXPECT_EQ(members[3].kind, TarKind::link);
  EXPECT_EQ(members[4].kind, TarKind::special);
  EXPECT_EQ(members[5].size, 0u);
  EXPECT_EQ(archive.substr(members[6].offset, members[6].size), std::string(512, 'x'));
}

TEST_F(TarTest, ReadsEveryFormOfLongNames) {
  const std::string folder(120, 'd'), file(120, 'f');
  const std::string name = folder + "/" + file;
  // POSIX: the front of the name in the prefix. GNU's form has other things there.
  const auto members =
      list(tar_header("p", '0', 0, "front") + tar_header("g", '0', 0, "no front", std::string_view("ustar  \0", 8)) +
           tar_header("L", 'L', name.size() + 1) + tar_content(name + '\0') + tar_file("cut", "1") +
           tar_header("K", 'K', 5) + tar_content("goal") + tar_header("link", '2', 0) +
           tar_pax(test::pax_record("mtime", "1.5") + test::pax_record("path", name + "\xc3\xa9")) +
           tar_file("cut", "2") + tar_file("short", "3") + tar_end());
  ASSERT_EQ(members.size(), 6u);
  EXPECT_EQ(members[0].name, "front/p");
  EXPECT_EQ(members[1].name, "g");
  EXPECT_EQ(members[2].name, name);
  EXPECT_EQ(members[3].name, "link");
  EXPECT_EQ(members[4].name, name + "\xc3\xa9");
  EXPECT_EQ(members[5].name, "short");  // It does not inherit.
}

TEST_F(TarTest, ReadsSizesOfEveryForm) {
  std::string large = tar_header("large", '0', 3);
  // GNU's binary form of 3, and the checksum for it.
  large.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\3", 12));
  large.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : large)
    sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  large.replace(148, 7, std::string_view(text, 7));
  const auto members = list(large + tar_content("abc") + tar_pax(test::pax_record("size", "5")) +
                            tar_header("pax", '0', 0) + tar_content("hello") + tar_end());
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].size, 3u);
  EXPECT_EQ(members[1].size, 5u);
}

TEST_F(TarTest, EndsAtZerosAndOnlyThere) {
  EXPECT_EQ(list(tar_file("a", "1") + std::string(10240, '\0')).size(), 1u);
  EXPECT_EQ(list(tar_file("a", "1") + std::string(512, '\0')).size(), 1u);  // Some tools write one block.
  EXPECT_TRUE(list(tar_end()).empty());
  expect_error(tar_file("a", "1"), {"without its end mark", "a.tar, byte 1024"});
  expect_error("", {"without its end mark"});
  expect_error(tar_file("a", "1") + tar_end() + tar_file("b", "2") + tar_end(),
               {"more behind the end mark", "--input"});
}

TEST_F(TarTest, NamesWhereItIsCutOff) {
  const std::string archive = tar_file("a", "1") + tar_file("b", std::string(2000, 'b')) + tar_end();
  expect_error(archive.substr(0, 1024 + 300), {"cut off inside a header", "byte 1024"});
  expect_error(archive.substr(0, 1024 + 512 + 1999), {"2000 bytes, of which 1999", "byte 1024"});
  // Only the last member's padding is missing: nothing is lost, but the end mark is.
  expect_error(archive.substr(0, 1024 + 512 + 2000), {"without its end mark"});
}

TEST_F(TarTest, RefusesAWrongChecksum) {
  std::string archive = tar_file("a", "1") + tar_file("b", "2") + tar_end();
  archive[1024 + 3] = 'x';
  expect_error(archive, {"wrong checksum", "a.tar, byte 1024", "copy or make it again"});
  EXPECT_TRUE(is_tar_header(std::as_bytes(std::span(archive)).first(512)));
  EXPECT_FALSE(is_tar_header(std::as_bytes(std::span(archive)).subspan(1024, 512)));
  EXPECT_FALSE(is_tar_header(std::vector<std::byte>(512)));
  EXPECT_FALSE(is_tar_header(std::vector<std::byte>(100)));
}

TEST_F(TarTest, RefusesWhatItDoesNotRead) {
  expect_error(tar_header("s", 'S', 0) + tar_end(), {"sparse"});
  expect_error(tar_pax(test::pax_record("GNU.sparse.major", "1")) + tar_file("s", "") + tar_end(), {"sparse"});
  for (const char type : {'D', 'M', 'V', 'N', 'Z'}) {
    expect_error(tar_header("m", type, 0) + tar_end(), {"kind '" + std::string(1, type) + "'"});
  }
  expect_error(tar_pax(test::pax_record("path", "all"), 'g') + tar_end(), {"global"});
  EXPECT_TRUE(list(tar_pax(test::pax_record("comment", "of git archive"), 'g') + tar_end()).empty());
}

TEST_F(TarTest, RefusesDamagedRecordsAndNumbers) {
  for (const std::string record : {"7 a=b", "99 a=b\n", "x a=b\n", "6 abc\n", "3 \n", "0 a=b\n", "-6 a=b\n"}) {
    expect_error(tar_pax(record) + tar_file("a", "") + tar_end(), {"pax record"});
  }
  expect_error(tar_pax(test::pax_record("size", "-1")) + tar_file("a", "") + tar_end(), {"no number"});
  expect_error(tar_pax(test::pax_record("size", "99999999999999999999")) + tar_file("a", "") + tar_end(),
               {"no number"});
  expect_error(tar_pax(test::pax_record("size", "4611686018427387903")) + tar_file("a", "") + tar_end(), {"cut off"});
  expect_error(tar_header("L", 'L', 1 << 21) + tar_end(), {"more than 1 MiB"});
}

TEST_F(TarTest, ReadsAnArchiveInsideAnother) {
  const std::string inner = tar_file("1.jpg", "inside") + tar_end();
  const std::string outer = tar_file("cat.tar", inner) + tar_end();
  const auto members = list(outer);
  ASSERT_EQ(members.size(), 1u);
  const FileHandle file(dir_ / "a.tar", O_RDONLY);
  const auto inside = list_tar(file, {members[0].offset, members[0].offset + members[0].size}, "a.tar:cat.tar");
  ASSERT_EQ(inside.size(), 1u);
  EXPECT_EQ(outer.substr(inside[0].offset, inside[0].size), "inside");
  // The inner archive ends where its member does.
  test::expect_data_error(
      [&] {
        list_tar(file, {members[0].offset, members[0].offset + 1024}, "a.tar:cat.tar");
      },
      {"end mark", "a.tar:cat.tar"});
}

}  // namespace
}  // namespace msn
