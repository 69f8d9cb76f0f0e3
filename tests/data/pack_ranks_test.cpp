// SPDX-License-Identifier: Apache-2.0
// Packing by several ranks. The ranks of a test share its folder.
#include <gtest/gtest.h>

#include "data/pack.hpp"
#include "data_support.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"
#include "tar_support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

/// Rank 0's folder, known to all; deleted when every rank is done with it.
class SharedDir {
 public:
  SharedDir() : path_(test::world().broadcast(own_.path().string())) {}
  ~SharedDir() { test::world().barrier(); }
  SharedDir(const SharedDir&) = delete;
  SharedDir& operator=(const SharedDir&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  test::TempDir own_;
  fs::path path_;
};

/// Images in a folder, a tar and a list, some bad, some twice; written by rank 0.
PackOptions mixed_input(const SharedDir& dir) {
  PackOptions options;
  test::world().on_root([&] {
    test::write_folder(dir / "in", 3, 7);
    test::write_file(dir / "in" / "class1" / "3.jpg", "text");
    test::write_file(dir / "in" / "class2" / "6.jpg", "");
    std::string archive;
    for (int i = 0; i < 9; ++i)
      archive += test::tar_file("class3/" + std::to_string(i) + ".jpg", test::text_of(test::small_jpeg(100 + i / 2)));
    test::write_file(dir / "a.tar", archive + test::tar_end());
    test::write_file(dir / "list.csv", "in/class0/1.jpg,class0\na b.jpg,class4\n");
    test::write_file(dir / "a b.jpg", test::small_jpeg(200));
    return std::string();
  });
  for (const char* name : {"in", "a.tar", "list.csv"})
    options.inputs.push_back((dir / name).string());
  options.on_bad = OnBad::skip;
  options.shards = 7;
  options.workers = 2;
  return options;
}

TEST(PackRanks, TheFilesDoNotDependOnTheRanks) {
  const World& world = test::world();
  const SharedDir dir;
  PackOptions options = mixed_input(dir);
  for (const std::optional<Transcode> how : {std::optional<Transcode>(), std::optional(Transcode{12, 70})}) {
    const std::string kind = how ? "small" : "plain";
    options.transcode = how;
    options.output = dir / kind / "set";
    const PackReport report = pack(world, options);
    world.on_root([&] {
      PackOptions alone = options;
      alone.output = dir / (kind + " alone") / "set";
      alone.workers = 1;
      const PackReport expected = pack(alone);
      EXPECT_EQ(test::file_hashes(options.output), test::file_hashes(alone.output));
      EXPECT_EQ(report.manifest.fingerprint, expected.manifest.fingerprint);
      EXPECT_EQ(report.manifest.count, 30u);
      EXPECT_EQ(report.left_out.size(), 2u);
      EXPECT_EQ(report.manifest.duplicates, expected.manifest.duplicates);
      EXPECT_EQ(report.duplicates.size(), expected.duplicates.size());
      EXPECT_EQ(report.transcoded, expected.transcoded);
      EXPECT_EQ(report.transcoded, how ? 30u : 0u);
      return std::string();
    });
    EXPECT_TRUE(pack(world, options).already_complete == (world.rank() == 0));
  }
}

TEST(PackRanks, GoesOnAfterAnInterruption) {
  const World& world = test::world();
  const SharedDir dir;
  PackOptions options = mixed_input(dir);
  options.output = dir / "set";
  pack(world, options);
  std::map<std::string, std::string> expected;
  world.on_root([&] {
    expected = test::file_hashes(options.output);
    fs::remove(options.output / "dataset.json");
    fs::remove(options.output / "set-00001-of-00007.h5");
    fs::rename(options.output / "set-00004-of-00007.h5", options.output / "set-00004-of-00007.h5.partial");
    return std::string();
  });
  const PackReport report = pack(world, options);
  if (world.rank() == 0) {
    EXPECT_EQ(report.shards_reused, 5u);
    EXPECT_EQ(test::file_hashes(options.output), expected);
  }
}

TEST(PackRanks, AnErrorOfOneRankIsThatOfAll) {
  const World& world = test::world();
  const SharedDir dir;
  PackOptions options = mixed_input(dir);
  options.on_bad = OnBad::fail;
  options.output = dir / "set";
  std::string message;
  try {
    pack(world, options);
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    message = error.what();
  }
  EXPECT_NE(message.find("class1/3.jpg"), std::string::npos) << message;
  for (const std::string& other : world.gather(message))
    EXPECT_EQ(other, message);
  EXPECT_FALSE(fs::exists(dir / "set" / "dataset.json"));
  // So is an error before the work begins.
  options.inputs = {(dir / "absent").string()};
  EXPECT_THROW(pack(world, options), AgreedError);
}

TEST(PackRanks, MoreRanksThanShards) {
  const World& world = test::world();
  const SharedDir dir;
  PackOptions options = mixed_input(dir);
  options.shards = 1;
  options.output = dir / "set";
  PackProgress last;
  options.progress = [&](const PackProgress& now) {
    EXPECT_GE(now.done, last.done);
    last = now;
  };
  const PackReport report = pack(world, options);
  if (world.rank() == 0) {
    EXPECT_EQ(report.manifest.count, 30u);
    EXPECT_EQ(last.done, 32u);
    EXPECT_EQ(last.total, 32u);
    EXPECT_EQ(last.bad, 2u);
  }
}

}  // namespace
}  // namespace msn
