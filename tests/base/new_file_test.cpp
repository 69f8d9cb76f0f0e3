// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.insert(entry.path().filename());
  return names;
}

TEST(NewFile, TakesItsNameWhenItIsWhole) {
  const test::TempDir dir;
  write_durably(dir / "a", "the old content, which is longer");
  NewFile file(dir / "a");
  file.append("one");
  file.skip_to(5);
  file.append("two");
  EXPECT_EQ(read_text(dir / "a"), "the old content, which is longer");
  file.finish();
  EXPECT_EQ(read_text(dir / "a"), std::string("one\0\0two", 8));
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"a"}));
}

TEST(NewFile, LeavesNothingUnlessFinished) {
  const test::TempDir dir;
  write_durably(dir / "a", "old");
  {
    NewFile file(dir / "a");
    file.append("new");
    EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"a", "a.tmp"}));
  }
  EXPECT_EQ(read_text(dir / "a"), "old");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"a"}));
}

TEST(NewFile, BeginsAnewOverWhatACrashLeft) {
  const test::TempDir dir;
  write_durably(dir / "a.tmp", "a longer text of a writer that came to no end");
  NewFile file(dir / "a");
  file.append("new");
  file.finish();
  EXPECT_EQ(read_text(dir / "a"), "new");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"a"}));
}

TEST(NewFile, NamesTheFileThatCannotBeWritten) {
  const test::TempDir dir;
  EXPECT_NE(test::refusal([&] { NewFile(dir / "absent" / "a"); }).find("absent/a"), std::string::npos);
  // The name is taken by a folder: found out last.
  std::filesystem::create_directory(dir / "a");
  EXPECT_NE(test::refusal([&] {
              NewFile file(dir / "a");
              file.append("new");
              file.finish();
            }).find("cannot rename"),
            std::string::npos);
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"a"}));
  NewFile file(dir / "b");
  file.append("four");
  EXPECT_THROW(file.skip_to(3), Error);
}

}  // namespace
}  // namespace msn
