// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class DataSetTest : public ::testing::Test {
 protected:
  DataSetTest() {
    test::write_folder(dir_ / "in", 3, 4);
    PackOptions options;
    options.shards = 5;
    test::pack_folder(dir_ / "in", dir_ / "set", options);
  }
  nlohmann::json manifest() const { return nlohmann::json::parse(read_text(dir_ / "set" / "dataset.json")); }
  void write(const nlohmann::json& changed) const { write_durably(dir_ / "set" / "dataset.json", changed.dump()); }
  std::filesystem::path shard(int i) const {
    return dir_ / "set" / manifest().at("shards").at(static_cast<std::size_t>(i)).at("file").get<std::string>();
  }
  test::TempDir dir_;
};

TEST_F(DataSetTest, NumbersSamplesThroughAllShards) {
  const DataSet set(dir_ / "set");
  ASSERT_EQ(set.count(), 12u);
  EXPECT_EQ(set.shards().size(), 5u);
  EXPECT_EQ(set.manifest().classes, (std::vector<std::string>{"class0", "class1", "class2"}));
  for (std::uint64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(set.read(i), test::small_jpeg(static_cast<int>(i)));
    EXPECT_EQ(set.label(i), static_cast<int>(i / 4));
  }
  EXPECT_NE(set.describe(5).find("class1/1.jpg"), std::string::npos);
}

TEST_F(DataSetTest, RefusesNamesThatLeaveTheFolder) {
  for (const char* name : {"../x.h5", "/etc/passwd", "a/b.h5", "", ".", "..", ".hidden"}) {
    auto changed = manifest();
    changed["shards"][1]["file"] = name;
    write(changed);
    test::expect_data_error([&] { DataSet(dir_ / "set"); }, {"plain file name", "dataset.json"});
  }
}

TEST_F(DataSetTest, RefusesALinkInPlaceOfAShard) {
  std::filesystem::rename(shard(0), dir_ / "moved.h5");
  std::filesystem::create_symlink(dir_ / "moved.h5", shard(0));
  test::expect_data_error([&] { DataSet(dir_ / "set"); }, {"no regular file"});
}

TEST_F(DataSetTest, RefusesWhatDoesNotFit) {
  const auto good = manifest();
  const auto expect = [&](const nlohmann::json& changed, const std::vector<std::string>& parts) {
    write(changed);
    test::expect_data_error([&] { DataSet(dir_ / "set"); }, parts);
  };
  auto changed = good;
  changed["count"] = 13;
  expect(changed, {"13"});
  changed = good;
  changed["format_version"] = 99;
  expect(changed, {"version 99"});
  changed = good;
  changed.erase("classes");
  expect(changed, {"dataset.json"});
  changed = good;
  changed["shards"][0]["count"] = "many";
  expect(changed, {"dataset.json"});
  changed = good;
  changed["shards"][1] = changed["shards"][0];
  expect(changed, {"twice"});
  changed = good;
  changed["classes"] = {"only"};
  expect(changed, {"label"});
  write_durably(dir_ / "set" / "dataset.json", "{\"format_version\": 1,");
  test::expect_data_error([&] { DataSet(dir_ / "set"); }, {"dataset.json"});
}

TEST_F(DataSetTest, RefusesMissingAndTruncatedShardsAndFolders) {
  std::filesystem::resize_file(shard(3), std::filesystem::file_size(shard(3)) - 1);
  test::expect_data_error([&] { DataSet(dir_ / "set"); }, {"bytes", shard(3).filename().string()});
  std::filesystem::remove(shard(3));
  test::expect_data_error([&] { DataSet(dir_ / "set"); }, {"missing", shard(3).filename().string()});
  test::expect_data_error([&] { DataSet(dir_ / "nowhere"); }, {"no such data set", "nowhere", "msn pack"});
  test::expect_data_error([&] { DataSet(dir_ / "in"); }, {"no dataset.json"});
}

}  // namespace
}  // namespace msn
