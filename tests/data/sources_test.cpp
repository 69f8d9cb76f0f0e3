// SPDX-License-Identifier: Apache-2.0
#include "data/sources.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "data/names.hpp"
#include "data/text_list.hpp"
#include "data_support.hpp"
#include "support/support.hpp"
#include "tar_support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::tar_end;
using test::tar_file;

class SourcesTest : public ::testing::Test {
 protected:
  Sources list(const std::vector<std::string>& inputs, Labels labels = Labels::automatic,
               const std::string& label_file = {}) {
    SourceOptions options;
    for (const std::string& input : inputs)
      options.inputs.push_back(input.starts_with("synthetic:") ? input : (dir_ / input).string());
    options.labels = labels;
    if (!label_file.empty()) options.label_file = dir_ / label_file;
    options.workers = 2;
    return list_sources(options);
  }
  void write(const std::string& name, const std::string& content) { test::write_file(dir_ / name, content); }
  void write_image(const std::string& name, int number) { test::write_file(dir_ / name, test::small_jpeg(number)); }

  /// "NAME=CLASS" of every image, NAME alone without a class, NAME! where there is a problem.
  static std::vector<std::string> summary(const Sources& sources) {
    std::vector<std::string> out;
    for (const SourceItem& item : sources.items) {
      std::string text = item.name;
      if (item.label >= 0) text += "=" + sources.classes.at(static_cast<std::size_t>(item.label));
      if (!item.problem.empty()) text += "!";
      out.push_back(text);
    }
    return out;
  }
  using Lines = std::vector<std::string>;
  test::TempDir dir_;
};

std::string jpeg(int number) {
  return test::text_of(test::small_jpeg(number));
}

TEST_F(SourcesTest, FoldersOfATarAreClasses) {
  const std::string first = jpeg(1), second = jpeg(2);
  write("a.tar", test::tar_folder("dog") + tar_file("./dog/1.jpg", first) + tar_file("cat/deep/2.PNG", second) +
                     tar_file("cat/no_ending", jpeg(3)) + tar_file("cat/readme.txt", "text") +
                     tar_file("cat/._1.jpg", "Finder") + tar_end());
  const Sources sources = list({"a.tar"});
  EXPECT_EQ(summary(sources), (Lines{"dog/1.jpg=dog", "cat/deep/2.PNG=cat", "cat/no_ending=cat"}));
  EXPECT_EQ(sources.ignored, 1u);
  const SourceReader reader(sources);
  EXPECT_EQ(test::text_of(reader.read(sources.items[0])), first);
  EXPECT_EQ(test::text_of(reader.read(sources.items[1])), second);
  EXPECT_NE(origin_of(sources, sources.items[0]).find("a.tar:dog/1.jpg"), std::string::npos);
}

TEST_F(SourcesTest, ATarOfAFolderOfClassFolders) {
  write("a.tar", tar_file("data/train/dog/1.jpg", "1") + tar_file("data/train/cat/2.jpg", "2") + tar_end());
  EXPECT_EQ(summary(list({"a.tar"})), (Lines{"dog/1.jpg=dog", "cat/2.jpg=cat"}));
  write("b.tar", tar_file("cat/1.jpg", "1") + tar_file("cat/2.jpg", "2") + tar_end());
  EXPECT_EQ(summary(list({"b.tar"})), (Lines{"cat/1.jpg=cat", "cat/2.jpg=cat"}));
  write("c.tar", tar_file("1.jpg", "1") + tar_file("2.jpg", "2") + tar_end());
  EXPECT_EQ(summary(list({"c.tar"})), (Lines{"1.jpg", "2.jpg"}));
}

TEST_F(SourcesTest, ATarOfTars) {
  const auto inner = [](const std::string& id, int count) {
    std::string archive;
    for (int i = 0; i < count; ++i)
      archive += tar_file(id + "_" + std::to_string(i) + ".JPEG", jpeg(i));
    return archive + tar_end();
  };
  const std::string good =
      tar_file("n02.tar", inner("n02", 3)) + tar_file("n01.tar", inner("n01", 2)) + tar_file("notes.txt", "x");
  write("a.tar", good + tar_end());
  const Sources sources = list({"a.tar"});
  EXPECT_EQ(summary(sources), (Lines{"n02/n02_0.JPEG=n02", "n02/n02_1.JPEG=n02", "n02/n02_2.JPEG=n02",
                                     "n01/n01_0.JPEG=n01", "n01/n01_1.JPEG=n01"}));
  EXPECT_EQ(sources.classes, (Lines{"n01", "n02"}));
  EXPECT_EQ(sources.ignored, 1u);
  EXPECT_EQ(SourceReader(sources).read(sources.items[4]), test::small_jpeg(1));
  // Damage inside names both archives.
  std::string damaged = inner("n03", 1);
  damaged[0] = 'x';
  write("b.tar", good + tar_file("n03.tar", damaged) + tar_end());
  test::expect_data_error([&] { list({"b.tar"}); }, {"wrong checksum", "b.tar:n03.tar, byte"});
  write("c.tar", tar_file("n03.tar", tar_file("n04.tar", inner("n04", 1)) + tar_end()) + tar_end());
  test::expect_data_error([&] { list({"c.tar"}); }, {"a tar inside a tar inside a tar", "n04.tar"});
}

TEST_F(SourcesTest, OddMembersOfATarAreBadImages) {
  write("a.tar", tar_file("../../up.jpg", "1") + tar_file("/root/a.jpg", "2") + test::tar_header("link.jpg", '2', 0) +
                     test::tar_header("device.jpg", '3', 0) + tar_file("caf\xe9.jpg", "3") +
                     test::tar_header("link", '2', 0) + tar_end());
  const Sources sources = list({"a.tar"}, Labels::none);
  EXPECT_EQ(summary(sources), (Lines{"../../up.jpg!", "root/a.jpg", "link.jpg!", "device.jpg!", "caf\\xe9.jpg!"}));
  EXPECT_NE(sources.items[0].problem.find("out of the archive"), std::string::npos);
  EXPECT_EQ(sources.ignored, 1u);
}

TEST_F(SourcesTest, AnArchiveThatChangedIsNotRead) {
  write("a.tar", tar_file("1.jpg", "1") + tar_end());
  const Sources sources = list({"a.tar"});
  write("a.tar", tar_file("1.jpg", "1") + tar_file("2.jpg", "1") + tar_end());
  test::expect_data_error([&] { SourceReader reader(sources); }, {"has changed", "a.tar"});
}

TEST_F(SourcesTest, AListNamesImagesAndLabels) {
  write_image("photos/a b.jpg", 1);
  write_image("photos/caf\xc3\xa9, old.jpg", 2);
  write_image("elsewhere/3.jpg", 3);
  write("photos/list.csv",
        "\xef\xbb\xbf# images of the trip\r\n\r\na b.jpg, dog \r\n\"caf\xc3\xa9, "
        "old.jpg\",cat\r\n../elsewhere/3.jpg,dog\n" +
            (dir_ / "elsewhere/3.jpg").string() + ",cat\nabsent.jpg,cat");
  const Sources sources = list({"photos/list.csv"});
  const std::string absolute = (dir_ / "elsewhere/3.jpg").string().substr(1);
  EXPECT_EQ(summary(sources), (Lines{"a b.jpg=dog", "caf\xc3\xa9, old.jpg=cat", "elsewhere/3.jpg=dog",
                                     absolute + "=cat", "absent.jpg=cat!"}));
  const SourceReader reader(sources);
  EXPECT_EQ(reader.read(sources.items[1]), test::small_jpeg(2));
  EXPECT_EQ(reader.read(sources.items[2]), test::small_jpeg(3));
  EXPECT_EQ(reader.read(sources.items[3]), test::small_jpeg(3));
  test::expect_data_error([&] { reader.read(sources.items[4]); }, {"No such file", "absent.jpg"});
}

TEST_F(SourcesTest, NumbersInListsAreTheLabelsThemselves) {
  write("list.txt", "a.jpg,10\nb.jpg,2\nc.jpg,10\n");
  const Sources sources = list({"list.txt"});
  EXPECT_EQ(sources.classes.size(), 11u);
  EXPECT_EQ(sources.classes[10], "10");
  EXPECT_EQ(sources.items[0].label, 10);
  EXPECT_EQ(sources.items[1].label, 2);
  // One name among them, or a leading zero: all are names.
  write("names.txt", "a.jpg,10\nb.jpg,2\nc.jpg,02\n");
  EXPECT_EQ(list({"names.txt"}).classes, (Lines{"02", "10", "2"}));
  // The folders of an ImageFolder are names even if they look like numbers.
  write_image("in/10/a.jpg", 1);
  write_image("in/2/a.jpg", 1);
  EXPECT_EQ(list({"in"}).classes, (Lines{"10", "2"}));
  test::expect_data_error([&] { list({"in", "list.txt"}); }, {"as numbers", "list.txt"});
  EXPECT_EQ(list({"in", "names.txt"}).classes, (Lines{"02", "10", "2"}));
  write("large.txt", "a.jpg,1000000\n");
  test::expect_data_error([&] { list({"large.txt"}); }, {"1000000 is larger"});
}

TEST_F(SourcesTest, ListsWithoutLabels) {
  write("list.txt", "cat/a.jpg\ndog/b.jpg\n");
  EXPECT_EQ(summary(list({"list.txt"})), (Lines{"cat/a.jpg!", "dog/b.jpg!"}));
  write_image("cat/a.jpg", 1);
  write_image("dog/b.jpg", 2);
  EXPECT_EQ(summary(list({"list.txt"})), (Lines{"cat/a.jpg", "dog/b.jpg"}));
  EXPECT_EQ(summary(list({"list.txt"}, Labels::folders)), (Lines{"cat/a.jpg=cat", "dog/b.jpg=dog"}));
  write("part.txt", "cat/a.jpg\ndog/b.jpg,dog\n");
  test::expect_data_error([&] { list({"part.txt"}); }, {"has no label", "cat/a.jpg", "--labels none"});
  EXPECT_EQ(summary(list({"part.txt"}, Labels::none)), (Lines{"cat/a.jpg", "dog/b.jpg"}));
}

TEST_F(SourcesTest, MixesInputsOfAllKinds) {
  write_image("in/cat/1.jpg", 1);
  write("a.tar", tar_file("cat/2.jpg", jpeg(2)) + tar_file("ring/3.jpg", jpeg(3)) + tar_end());
  write("list.txt", "in/cat/1.jpg,disc\n");
  const Sources sources = list({"in", "a.tar", "list.txt", "synthetic:shapes?images=4&size=24"});
  EXPECT_EQ(sources.items.size(), 8u);
  EXPECT_EQ(sources.classes.size(), 6u);  // bars, cat, checker, cross, disc, ring
  const auto lines = summary(sources);
  EXPECT_EQ(lines[0], "cat/1.jpg=cat");
  EXPECT_EQ(lines[2], "ring/3.jpg=ring");
  EXPECT_EQ(lines[3], "in/cat/1.jpg=disc");
  EXPECT_EQ(lines[7], "disc/000003.jpg=disc");
  const SourceReader reader(sources);
  EXPECT_EQ(reader.read(sources.items[0]), test::small_jpeg(1));
  EXPECT_EQ(reader.read(sources.items[1]), test::small_jpeg(2));
  EXPECT_EQ(reader.read(sources.items[3]), test::small_jpeg(1));
  EXPECT_FALSE(reader.read(sources.items[7]).empty());
}

TEST_F(SourcesTest, ALabelFileGivesEveryLabel) {
  write("val.tar", tar_file("./b.jpg", "1") + tar_file("./a.jpg", "2") + tar_end());
  write("labels.csv", "a.jpg,n02\n./b.jpg,n01\nother.jpg,n07\n");
  const Sources sources = list({"val.tar"}, Labels::automatic, "labels.csv");
  EXPECT_EQ(summary(sources), (Lines{"b.jpg=n01", "a.jpg=n02"}));
  EXPECT_EQ(sources.classes, (Lines{"n01", "n02"}));
  EXPECT_EQ(sources.labels_unused, 1u);
  write("short.csv", "a.jpg,n02\n");
  test::expect_data_error([&] { list({"val.tar"}, Labels::automatic, "short.csv"); },
                          {"does not name \"b.jpg\"", "short.csv"});
  write("twice.csv", "a.jpg,n02\nb.jpg,n01\na.jpg,n03\n");
  test::expect_data_error([&] { list({"val.tar"}, Labels::automatic, "twice.csv"); }, {"line 1", "twice.csv:3"});
  write("bare.csv", "a.jpg,n02\nb.jpg\n");
  test::expect_data_error([&] { list({"val.tar"}, Labels::automatic, "bare.csv"); }, {"without a label", "bare.csv:2"});
  test::expect_data_error([&] { list({"val.tar"}, Labels::automatic, "absent.csv"); }, {"absent.csv"});
  write("numbers.csv", "a.jpg,1\nb.jpg,0\n");
  EXPECT_EQ(list({"val.tar"}, Labels::automatic, "numbers.csv").items[1].label, 1);
}

TEST_F(SourcesTest, LinksInFolders) {
  write_image("in/cat/1.jpg", 1);
  write_image("far/2.jpg", 2);
  fs::create_directory_symlink(dir_ / "far", dir_ / "in" / "dog");
  fs::create_symlink(dir_ / "far" / "2.jpg", dir_ / "in" / "cat" / "linked.jpg");
  fs::create_directory_symlink(dir_ / "in", dir_ / "in" / "cat" / "loop");
  fs::create_symlink("self.jpg", dir_ / "in" / "cat" / "self.jpg");
  fs::create_symlink("nothing", dir_ / "in" / "cat" / "dangling.jpg");
  fs::create_symlink("nothing", dir_ / "in" / "cat" / "dangling.txt");
  ASSERT_EQ(::mkfifo((dir_ / "in" / "cat" / "pipe.jpg").c_str(), 0600), 0);
  const Sources sources = list({"in"});
  EXPECT_EQ(summary(sources), (Lines{"cat/1.jpg=cat", "cat/dangling.jpg!", "cat/linked.jpg=cat", "cat/loop!",
                                     "cat/pipe.jpg!", "cat/self.jpg!", "dog/2.jpg=dog"}));
  EXPECT_NE(sources.items[3].problem.find("a folder above"), std::string::npos);
  EXPECT_EQ(sources.ignored, 1u);
}

TEST_F(SourcesTest, SaysWhatAnInputIsThatItCannotTake) {
  test::expect_data_error([&] { list({"absent"}); }, {"no such input", "absent", "synthetic:shapes"});
  write("a.tar.gz", "\x1f\x8b...");
  test::expect_data_error([&] { list({"a.tar.gz"}); }, {"compressed", "a.tar.gz"});
  write_image("one.jpg", 1);
  test::expect_data_error([&] { list({"one.jpg"}); }, {"single image", "one.jpg"});
  write("binary", std::string("\0\1\2\3", 4));
  test::expect_data_error([&] { list({"binary"}); }, {"no UTF-8 text", "binary:1"});
  write("empty.txt", "# nothing\n");
  test::expect_data_error([&] { list({"empty.txt"}); }, {"names nothing", "empty.txt"});
  write("bad.tar", "this is no tar");
  test::expect_data_error([&] { list({"bad.tar"}); }, {"cut off", "bad.tar"});
  write("text.tar", tar_file("readme.txt", "text") + tar_end());
  test::expect_data_error([&] { list({"text.tar"}); }, {"no JPEG or PNG", "text.tar"});
}

TEST(TextList, NamesTheLineThatIsWrong) {
  const test::TempDir dir;
  const auto expect = [&](const std::string& text, const std::string& part) {
    test::write_file(dir / "list", text);
    test::expect_data_error([&] { read_list(dir / "list"); }, {part, "list:2"});
  };
  expect("a\n,cat\n", "without a name");
  expect("a\nb,\n", "without a label");
  expect("a\n\"b,cat\n", "does not end");
  expect("a\n\"b\" cat\n", "behind a name");
  expect("a\nb\xff,cat\n", "no UTF-8");
}

TEST(TextList, ReadsBackItsOwnFields) {
  const test::TempDir dir;
  const std::vector<std::string> names{"plain", "a,b", "#c", " d ", "e\"f", "\"g\"", "h i"};
  std::string text;
  for (const std::string& name : names)
    text += list_field(name) + "," + "label\n";
  test::write_file(dir / "list", text);
  const auto lines = read_list(dir / "list");
  ASSERT_EQ(lines.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(lines[i].name, names[i]);
    EXPECT_EQ(lines[i].label, "label");
  }
}

TEST(Names, PlainPathsStayInside) {
  EXPECT_EQ(plain_path("./a//b/./c.jpg"), "a/b/c.jpg");
  EXPECT_EQ(plain_path("/etc/a.jpg"), "etc/a.jpg");
  EXPECT_EQ(plain_path("a/../../b"), std::nullopt);
  EXPECT_EQ(plain_path("./"), std::nullopt);
  EXPECT_TRUE(has_image_ending("a/b.JpEg"));
  EXPECT_FALSE(has_image_ending("jpg"));
  EXPECT_EQ(escape_bytes("a\xc3\n"), "a\\xc3\\x0a");
}

}  // namespace
}  // namespace msn
