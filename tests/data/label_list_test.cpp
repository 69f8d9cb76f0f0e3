// SPDX-License-Identifier: Apache-2.0
#include "data/label_list.hpp"

#include <gtest/gtest.h>

#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs(const LabelList& list) {
  Pairs out;
  for (const LabelListEntry& entry : list.entries)
    out.emplace_back(entry.name, entry.class_name);
  return out;
}

TEST(LabelList, WritesOneImageALine) {
  LabelList list;
  list.data_set = "photos";
  list.fingerprint = "00ff";
  list.per_class = 1;
  list.seed = 7;
  list.entries = {{"cat/1.jpg", "cat", 0}, {"dog/a b,c.jpg", "dog", 0}, {"dog/\"x\".jpg", "dog", 0}};
  EXPECT_EQ(label_list_text(list),
            "# msn label list 1\n"
            "# {\"data_set\":\"photos\",\"fingerprint\":\"00ff\",\"per_class\":1,\"seed\":7}\n"
            "cat/1.jpg,cat\n"
            "\"dog/a b,c.jpg\",dog\n"
            "\"dog/\"\"x\"\".jpg\",dog\n");
}

TEST(LabelList, ReadsBackWhatItWrites) {
  LabelList list;
  list.data_set = "a \"set\"\nof two lines";
  list.fingerprint = "ab";
  for (const char* name : {"plain.jpg", "a,b", "\"", "\"\"", "two\nlines", "\r", "cr\r\nlf", "# no comment", " spaces ",
                           "caf\xc3\xa9", "name,with,commas\"and\"quotes\n"}) {
    list.entries.push_back({name, std::string("class of ") + name, 0});
  }
  const LabelList back = parse_label_list(label_list_text(list), "text");
  EXPECT_EQ(back.data_set, list.data_set);
  EXPECT_EQ(back.fingerprint, list.fingerprint);
  EXPECT_EQ(back.per_class, std::nullopt);
  EXPECT_EQ(back.seed, std::nullopt);
  EXPECT_EQ(pairs(back), pairs(list));
}

TEST(LabelList, KeepsTheLargestSeed) {
  LabelList list;
  list.seed = UINT64_MAX;
  list.per_class = 5;
  list.entries = {{"a", "b", 0}};
  const LabelList back = parse_label_list(label_list_text(list), "text");
  EXPECT_EQ(back.seed, UINT64_MAX);
  EXPECT_EQ(back.per_class, 5u);
}

TEST(LabelList, ReadsListsOfOthers) {
  const LabelList list =
      parse_label_list("\xEF\xBB\xBF# ten images\r\n\r\nn01_1.JPEG\r\nn02_2.JPEG,two\r\n\r\n\"n03,3\"", "text");
  EXPECT_EQ(pairs(list), (Pairs{{"n01_1.JPEG", ""}, {"n02_2.JPEG", "two"}, {"n03,3", ""}}));
  EXPECT_EQ(list.entries[0].line, 3u);
  EXPECT_EQ(list.entries[2].line, 6u);
  EXPECT_EQ(list.data_set, "");
}

TEST(LabelList, CountsLinesInsideQuotations) {
  const LabelList list = parse_label_list("\"a\nb\nc\",x\nd,y\n", "text");
  EXPECT_EQ(list.entries[0].line, 1u);
  EXPECT_EQ(list.entries[1].line, 4u);
}

TEST(LabelList, NamesTheLineOfWhatIsWrong) {
  const auto refuse = [](const std::string& text, const std::vector<std::string>& parts) {
    test::expect_data_error([&] { parse_label_list(text, "list.csv"); }, parts);
  };
  refuse("", {"list.csv", "no image"});
  refuse("# only a comment\n\n", {"no image"});
  refuse("a,b\nc,d,e\n", {"list.csv:2", "3 fields", "quotes"});
  refuse("a,b\n\"c,d\n", {"list.csv:2", "not closed"});
  refuse("a,b\n\"c\"d,e\n", {"list.csv:2", "behind a closing quote"});
  refuse("a,b\n,e\n", {"list.csv:2", "no name"});
  refuse("a,b\nc,d\na,b\n", {"list.csv:3", "\"a\"", "line 1"});
  refuse("a,b\nc\xff,d\n", {"list.csv", "UTF-8"});
  refuse("# msn label list 2\n# {}\na,b\n", {"list.csv:1", "does not know"});
  refuse("# msn label list 1\n# {\"seed\":\"x\"}\na,b\n", {"list.csv:2", "second line"});
  refuse("# msn label list 1\n# {\"seed\":1,\"seed\":2}\na,b\n", {"list.csv:2", "twice"});
  refuse("# msn label list 1\n# not JSON\na,b\n", {"list.csv:2", "second line"});
}

TEST(LabelList, ReadsAFile) {
  const test::TempDir dir;
  test::write_file(dir / "list.csv", std::string("a,b\n"));
  EXPECT_EQ(pairs(read_label_list(dir / "list.csv")), (Pairs{{"a", "b"}}));
  test::expect_data_error([&] { read_label_list(dir / "absent.csv"); }, {"absent.csv"});
}

}  // namespace
}  // namespace msn
