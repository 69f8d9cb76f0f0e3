// SPDX-License-Identifier: Apache-2.0
#include "data/subset.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/sample_names.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class SubsetTest : public ::testing::Test {
 protected:
  SubsetTest() {
    test::write_folder(dir_ / "in", 3, 20);
    test::pack_folder(dir_ / "in", dir_ / "set");
  }
  LabelList pick(const DataSet& set, const std::string& text) const {
    return pick_subset(set, parse_label_list(text, "names.txt"), "names.txt");
  }
  test::TempDir dir_;
};

std::vector<std::string> names(const LabelList& list) {
  std::vector<std::string> out;
  for (const LabelListEntry& entry : list.entries)
    out.push_back(entry.name);
  return out;
}

TEST_F(SubsetTest, DrawsTheSameNumberOfEveryClassInOrder) {
  const DataSet set(dir_ / "set");
  const LabelList list = draw_subset(set, 4, 9);
  ASSERT_EQ(list.entries.size(), 12u);
  EXPECT_EQ(list.data_set, "set");
  EXPECT_EQ(list.fingerprint, set.manifest().fingerprint);
  EXPECT_EQ(list.per_class, 4u);
  EXPECT_EQ(list.seed, 9u);
  const NameIndex index(set);
  std::map<std::string, int> members;
  std::uint64_t last = 0;
  for (const LabelListEntry& entry : list.entries) {
    const std::uint64_t sample = index.find(entry.name, "here");
    EXPECT_TRUE(members.empty() || sample > last);
    last = sample;
    EXPECT_TRUE(entry.name.starts_with(entry.class_name + "/")) << entry.name;
    ++members[entry.class_name];
  }
  EXPECT_EQ(members, (std::map<std::string, int>{{"class0", 4}, {"class1", 4}, {"class2", 4}}));
}

// What a seed draws is a promise: lists made years apart must agree.
TEST_F(SubsetTest, ASeedDrawsTheSameForEver) {
  EXPECT_EQ(names(draw_subset(DataSet(dir_ / "set"), 2, 1)),
            (std::vector<std::string>{"class0/13.jpg", "class0/2.jpg", "class1/15.jpg", "class1/5.jpg", "class2/15.jpg",
                                      "class2/7.jpg"}));
}

TEST_F(SubsetTest, TheCutIntoShardsDoesNotMatter) {
  PackOptions options;
  options.shards = 7;
  test::pack_folder(dir_ / "in", dir_ / "cut", options);
  EXPECT_EQ(names(draw_subset(DataSet(dir_ / "set"), 3, 5)), names(draw_subset(DataSet(dir_ / "cut"), 3, 5)));
}

TEST_F(SubsetTest, SmallerDrawsArePartsOfLargerOnes) {
  const DataSet set(dir_ / "set");
  const std::vector<std::string> five = names(draw_subset(set, 5, 3));
  const std::set<std::string> large(five.begin(), five.end());
  for (const std::string& name : names(draw_subset(set, 2, 3)))
    EXPECT_TRUE(large.contains(name)) << name;
  EXPECT_EQ(names(draw_subset(set, 20, 3)), sample_names(set));
}

TEST_F(SubsetTest, SeedsDrawEveryImageAboutAsOften) {
  const DataSet set(dir_ / "set");
  std::map<std::string, int> drawn;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const std::string& name : names(draw_subset(set, 5, seed)))
      ++drawn[name];
  }
  ASSERT_EQ(drawn.size(), 60u);
  for (const auto& [name, times] : drawn) {
    EXPECT_GT(times, 20) << name;  // 50 are expected, with a deviation of 6.
    EXPECT_LT(times, 80) << name;
  }
}

TEST_F(SubsetTest, NamesTheClassThatIsTooSmall) {
  std::filesystem::remove(dir_ / "in" / "class1" / "3.jpg");
  test::pack_folder(dir_ / "in", dir_ / "fewer");
  const DataSet set(dir_ / "fewer");
  EXPECT_EQ(draw_subset(set, 19, 1).entries.size(), 57u);
  test::expect_data_error([&] { draw_subset(set, 20, 1); }, {"class1", "19 images", "fewer than 20", "fewer"});
  test::expect_data_error([&] { draw_subset(set, 21, 1); }, {"class0", "20 images", "2 more classes"});
}

TEST_F(SubsetTest, NeedsLabels) {
  test::pack_folder(dir_ / "in" / "class0", dir_ / "unlabelled");
  const DataSet set(dir_ / "unlabelled");
  test::expect_data_error([&] { draw_subset(set, 1, 1); }, {"no labels", "unlabelled"});
  test::expect_data_error([&] { pick(set, "1.jpg\n"); }, {"no labels"});
}

TEST_F(SubsetTest, PicksByNameAndFillsInTheClass) {
  const DataSet set(dir_ / "set");
  const LabelList list = pick(set, "class2/7.jpg\nclass0/11.jpg,class0\n");
  EXPECT_EQ(names(list), (std::vector<std::string>{"class0/11.jpg", "class2/7.jpg"}));
  EXPECT_EQ(list.entries[1].class_name, "class2");
  EXPECT_EQ(list.per_class, std::nullopt);
  EXPECT_EQ(list.seed, std::nullopt);
  EXPECT_EQ(samples_of_list(set, NameIndex(set), list, "list"), (std::vector<std::uint64_t>{3, 57}));
}

TEST_F(SubsetTest, PicksByTheLastPartOfAName) {
  std::filesystem::rename(dir_ / "in" / "class1" / "4.jpg", dir_ / "in" / "class1" / "n1_4.jpg");
  test::pack_folder(dir_ / "in", dir_ / "other");
  const DataSet set(dir_ / "other");
  EXPECT_EQ(names(pick(set, "n1_4.jpg\n")), (std::vector<std::string>{"class1/n1_4.jpg"}));
  test::expect_data_error([&] { pick(set, "n1_4.jpg\n5.jpg\n"); }, {"names.txt:2", "3 images", "\"5.jpg\""});
  test::expect_data_error([&] { pick(set, "n1_4.jpg\nclass1/n1_4.jpg\n"); }, {"names.txt:2", "line 1", "another name"});
}

TEST_F(SubsetTest, RefusesNamesThatDoNotFit) {
  const DataSet set(dir_ / "set");
  test::expect_data_error([&] { pick(set, "class0/1.jpg\nclass0/20.jpg\n"); },
                          {"names.txt:2", "no image", "class0/20.jpg"});
  test::expect_data_error([&] { pick(set, "class0/1.jpg,class1\n"); }, {"names.txt:1", "class class0, not class1"});
  test::expect_data_error([&] { pick(set, "deep/class0/1.jpg\n"); }, {"no image"});
}

// As packing two folders with the same names in them makes it.
TEST_F(SubsetTest, RefusesNamesThatTwoImagesBear) {
  const std::filesystem::path folder = dir_ / "both";
  std::filesystem::create_directory(folder);
  std::vector<ShardItem> items;
  for (int i = 0; i < 4; ++i) {
    items.push_back({test::small_jpeg(i), 0, 20, 16, 0, i % 2 == 0 ? "cat/1.jpg" : "cat/2.jpg"});
  }
  write_shard(folder / "both.h5", items, {});
  DataSetManifest manifest;
  manifest.name = "both";
  manifest.count = 4;
  manifest.classes = {"cat"};
  manifest.shards = {{"both.h5", 4, std::filesystem::file_size(folder / "both.h5"), ""}};
  write_dataset_manifest(folder, manifest);
  const DataSet set(folder);
  test::expect_data_error([&] { draw_subset(set, 1, 1); }, {"2 images", "both", "cat/"});
  test::expect_data_error([&] { pick(set, "cat/1.jpg\n"); }, {"2 images", "cat/1.jpg", "names.txt:1"});
}

}  // namespace
}  // namespace msn
