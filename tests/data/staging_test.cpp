// SPDX-License-Identifier: Apache-2.0
#include "data/staging.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <atomic>
#include <thread>

#include "base/hash.hpp"
#include "data/dataset.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class StagingTest : public ::testing::Test {
 protected:
  StagingTest() {
    test::write_folder(dir_ / "in", 2, 5);
    pack("set");
  }
  void pack(const std::string& name, std::uint64_t shards = 3) {
    PackOptions options;
    options.shards = shards;
    test::pack_folder(dir_ / "in", dir_ / name, options);
  }
  Staged stage(const std::string& name = "set") {
    return stage_dataset(dir_ / name, dir_ / "stage", [this](const std::string& line) { said_ += line + "\n"; });
  }
  /// Everything in the staging folder but locks, below the copies' folders.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "stage")) {
      if (entry.is_regular_file() && entry.path().filename() != ".lock") names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::filesystem::path shard(const std::string& set, std::size_t i) const {
    return dir_ / set / read_dataset_manifest(dir_ / set).shards[i].file;
  }
  test::TempDir dir_;
  std::string said_;
};

TEST_F(StagingTest, MakesAWholeCopyOnce) {
  const Staged first = stage();
  EXPECT_GT(first.bytes_copied, 0u);
  EXPECT_NE(said_.find("staging "), std::string::npos);
  const DataSet source(dir_ / "set");
  const DataSet copy(first.folder);
  EXPECT_EQ(copy.manifest(), source.manifest());
  for (std::uint64_t i = 0; i < source.count(); ++i)
    EXPECT_EQ(copy.read(i), source.read(i));
  said_.clear();
  const Staged second = stage();
  EXPECT_EQ(second.folder, first.folder);
  EXPECT_EQ(second.bytes_copied, 0u);
  EXPECT_EQ(said_, "");
  EXPECT_EQ(files().size(), 4u);
}

TEST_F(StagingTest, TheCopyServesWhenTheSourceHasMoved) {
  const Staged first = stage();
  std::filesystem::rename(dir_ / "set", dir_ / "elsewhere");
  EXPECT_EQ(stage("elsewhere").folder, first.folder);
}

TEST_F(StagingTest, OtherContentIsAnotherCopy) {
  const Staged first = stage();
  pack("cut", 2);  // The same images, the same fingerprint, other shards.
  ASSERT_EQ(read_dataset_manifest(dir_ / "cut").fingerprint, read_dataset_manifest(dir_ / "set").fingerprint);
  const Staged second = stage("cut");
  EXPECT_NE(second.folder, first.folder);
  EXPECT_EQ(DataSet(second.folder).shards().size(), 2u);
}

TEST_F(StagingTest, ACopyThatIsNotWholeIsMendedNotTrusted) {
  const Staged first = stage();
  const std::string name = read_dataset_manifest(first.folder).shards[1].file;
  std::filesystem::resize_file(first.folder / name, 10);
  const Staged second = stage();
  EXPECT_EQ(second.bytes_copied, read_dataset_manifest(dir_ / "set").shards[1].size);
  EXPECT_EQ(hash_file(first.folder / name), read_dataset_manifest(dir_ / "set").shards[1].hash);

  // The manifest of the copy says something else.
  DataSetManifest other = read_dataset_manifest(first.folder);
  other.fingerprint = "0000";
  write_dataset_manifest(first.folder, other);
  stage();
  EXPECT_EQ(read_dataset_manifest(first.folder), read_dataset_manifest(dir_ / "set"));
}

TEST_F(StagingTest, TakesUpAnInterruptedCopy) {
  const Staged whole = stage();
  const auto shards = read_dataset_manifest(dir_ / "set").shards;
  // As a job leaves it that was killed in its second shard.
  std::filesystem::remove(whole.folder / "dataset.json");
  std::filesystem::remove(whole.folder / shards[2].file);
  std::filesystem::rename(whole.folder / shards[1].file, whole.folder / (".partial-" + shards[1].file));
  EXPECT_THROW(DataSet{whole.folder}, Error);
  EXPECT_EQ(stage().bytes_copied, shards[1].size + shards[2].size);
  EXPECT_EQ(DataSet(whole.folder).count(), 10u);
  EXPECT_EQ(files().size(), 4u);
}

TEST_F(StagingTest, ASourceThatIsDamagedLeavesNothingThatLooksWhole) {
  {
    const FileHandle file(shard("set", 1), O_RDWR);
    std::array<std::byte, 1> one{};
    file.read_at(one, file.size() / 2);
    one[0] ^= std::byte{1};
    file.write_at(one, file.size() / 2);
  }
  test::expect_data_error([&] { stage(); }, {"hash", shard("set", 1).filename().string(), "copy the data set again"});
  for (const std::string& name : files())
    EXPECT_TRUE(name.starts_with("set-")) << name;
  EXPECT_LE(files().size(), 2u);
  std::filesystem::remove(shard("set", 1));
  test::expect_data_error([&] { stage(); }, {"missing", "set-00001"});
}

TEST_F(StagingTest, NamesNeedAndRoomBeforeItCopies) {
  // A sparse file is as large as one likes.
  DataSetManifest manifest = read_dataset_manifest(dir_ / "set");
  struct statvfs disk {};
  ASSERT_EQ(::statvfs(dir_.path().c_str(), &disk), 0);
  const std::uint64_t huge = std::uint64_t{disk.f_bavail} * disk.f_frsize + (std::uint64_t{1} << 30);
  std::filesystem::resize_file(shard("set", 0), huge);
  manifest.shards[0].size = huge;
  write_dataset_manifest(dir_ / "set", manifest);
  test::expect_data_error([&] { stage(); }, {"staging needs", "GiB, the disk has", "free", "stage"});
  EXPECT_TRUE(files().empty());
}

TEST_F(StagingTest, RefusesAPlaceThatIsNotItsOwn) {
  const Staged first = stage();
  std::filesystem::rename(first.folder, dir_ / "moved");
  std::filesystem::create_directory_symlink(dir_ / "moved", first.folder);
  test::expect_data_error([&] { stage(); }, {"no folder of this user"});
  test::write_file(dir_ / "file", std::string("x"));
  EXPECT_THROW(stage_dataset(dir_ / "set", dir_ / "file" / "below", [](const std::string&) {}), Error);
}

TEST_F(StagingTest, JobsAtTheSameTimeShareOneCopy) {
  std::atomic<int> copies{0}, failures{0};
  {
    std::vector<std::jthread> jobs;
    for (int i = 0; i < 4; ++i) {
      jobs.emplace_back([&] {
        try {
          const Staged staged = stage_dataset(dir_ / "set", dir_ / "stage", [](const std::string&) {});
          copies += staged.bytes_copied > 0;
          failures += DataSet(staged.folder).count() != 10;
        } catch (const Error&) {
          ++failures;
        }
      });
    }
  }
  EXPECT_EQ(copies, 1);
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(files().size(), 4u);
}

}  // namespace
}  // namespace msn
