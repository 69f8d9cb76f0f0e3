// SPDX-License-Identifier: Apache-2.0
#include "data/verify.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/hdf5.hpp"
#include "data/encode_png.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

/// A small data set of JPEG, grey and PNG images in three shards, and ways to damage it.
class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    test::write_folder(dir_ / "in", 2, 5);
    Image image{9, 7, std::vector<std::uint8_t>(9 * 7 * 3, 80)};
    test::write_file(dir_ / "in" / "class1" / "flat.png", encode_png(image));
    fs::copy(dir_ / "in" / "class0" / "1.jpg", dir_ / "in" / "class1" / "again.jpg");
    PackOptions options;
    options.shards = 3;
    test::pack_folder(dir_ / "in", dir_ / "set", options);
  }

  std::vector<std::string> problems(VerifyDepth depth = VerifyDepth::bytes, int workers = 2) const {
    const DataSetManifest manifest = read_dataset_manifest(dir_ / "set");
    VerifyOptions options;
    options.depth = depth;
    options.workers = workers;
    Problems all(1000);
    std::vector<ShardCheck> checks;
    for (const ShardEntry& entry : manifest.shards) {
      checks.push_back(check_shard(dir_ / "set", entry, manifest.classes.size(), options));
      all.append(checks.back().problems);
    }
    all.append(check_whole(dir_ / "set", manifest, checks));
    EXPECT_EQ(all.count(), all.lines().size());
    return all.lines();
  }

  fs::path shard(std::size_t i) const { return dir_ / "set" / read_dataset_manifest(dir_ / "set").shards[i].file; }

  /// Replaces one entry of an index column, as damage or another program would.
  template <class T>
  void set_entry(std::size_t shard_index, const char* column, std::size_t entry, T value) const {
    std::uint64_t offset = 0;
    {
      const h5::File file(shard(shard_index), h5::Mode::read);
      offset = file.facts(column).file_offset;
    }
    FileHandle(shard(shard_index), O_RDWR).write_at(std::as_bytes(std::span(&value, 1)), offset + entry * sizeof(T));
  }

  /// Makes dataset.json agree with the shards again, as one who hides a change would.
  void hide(std::size_t shard_index) const {
    DataSetManifest manifest = read_dataset_manifest(dir_ / "set");
    manifest.shards[shard_index].hash = hash_file(shard(shard_index));
    write_dataset_manifest(dir_ / "set", manifest);
  }

  test::TempDir dir_;
};

/// Expects one line for each list of parts, in this order.
void expect_lines(const std::vector<std::string>& lines, const std::vector<std::vector<std::string>>& expected) {
  std::string all;
  for (const std::string& line : lines)
    all += line + "\n";
  ASSERT_EQ(lines.size(), expected.size()) << all;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const std::string& part : expected[i])
      EXPECT_NE(lines[i].find(part), std::string::npos) << lines[i] << " lacks " << part;
  }
}

TEST_F(VerifyTest, FindsNothingWrongWithAGoodSet) {
  for (const VerifyDepth depth : {VerifyDepth::bytes, VerifyDepth::pixels})
    expect_lines(problems(depth), {});
}

TEST_F(VerifyTest, FindsEverySingleByteThatFlips) {
  const std::string good = read_text(shard(1));
  // Header, index, names and images all have their share of every 89th byte.
  for (std::size_t at = 0; at < good.size(); at += 89) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    test::write_file(shard(1), bad);
    EXPECT_FALSE(problems(VerifyDepth::bytes, 1).empty()) << "byte " << at;
  }
  test::write_file(shard(1), good);
  expect_lines(problems(), {});
}

TEST_F(VerifyTest, NamesTheDamagedImage) {
  const std::string text = read_text(shard(0));
  std::uint64_t start = 0;
  {
    const h5::File file(shard(0), h5::Mode::read);
    start = file.facts("bytes").file_offset;
  }
  const std::byte wrong{static_cast<unsigned char>(text[start + 100] ^ 1)};
  FileHandle(shard(0), O_RDWR).write_at(std::span(&wrong, 1), start + 100);
  expect_lines(problems(),
               {{shard(0).string(), "its hash is not"}, {shard(0).string(), "image 0 (class0/0.jpg)", "checksum"}});
}

TEST_F(VerifyTest, ComparesTheIndexWithTheImages) {
  set_entry<std::uint16_t>(0, "width", 1, 21);
  set_entry<std::uint8_t>(0, "flags", 2, flag_gray);
  hide(0);
  expect_lines(problems(),
               {{"image 1 (class0/1.jpg)", "20 x 16", "21 x 16"}, {"image 2 (class0/2.jpg)", "flags 0", "says 2"}});
}

TEST_F(VerifyTest, ComparesLabelsWithClassesAndFingerprint) {
  set_entry<std::int32_t>(2, "label", 0, 2);
  hide(2);
  expect_lines(problems(), {{"image 0", "label is 2", "2 classes"}, {"dataset.json", "fingerprint"}});
  set_entry<std::int32_t>(2, "label", 0, 0);  // A class that exists, but not its own.
  hide(2);
  expect_lines(problems(), {{"dataset.json", "fingerprint"}});
}

TEST_F(VerifyTest, CountsDuplicates) {
  DataSetManifest manifest = read_dataset_manifest(dir_ / "set");
  EXPECT_EQ(manifest.duplicates, 1u);
  manifest.duplicates = 4;
  write_dataset_manifest(dir_ / "set", manifest);
  expect_lines(problems(), {{"1, not 4 duplicates"}});
}

TEST_F(VerifyTest, ReportsEveryBadShard) {
  const fs::path lost = shard(0), cut = shard(1);
  fs::remove(lost);
  fs::resize_file(cut, fs::file_size(cut) - 5);
  const auto lines = problems();
  ASSERT_GE(lines.size(), 3u);
  EXPECT_NE(lines[0].find(lost.filename().string() + ": the shard is missing"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find(cut.filename().string() + ": the file has"), std::string::npos) << lines[1];
  for (const std::string& line : lines)
    EXPECT_EQ(line.find(shard(2).filename().string()), std::string::npos) << line;
}

TEST_F(VerifyTest, RefusesLinks) {
  fs::rename(shard(2), dir_ / "elsewhere.h5");
  fs::create_symlink(dir_ / "elsewhere.h5", shard(2));
  expect_lines(problems(), {{"no regular file"}});
}

TEST_F(VerifyTest, DecodesOnRequest) {
  // The header is good and the checksum fits, but the end of the image data is missing.
  ShardItem item;
  item.bytes = test::small_jpeg(1);
  item.bytes.resize(item.bytes.size() - 40);
  item.width = 20;
  item.height = 16;
  item.name = "half.jpg";
  const fs::path file = dir_ / "set" / "half.h5";
  write_shard(file, {item}, {});
  const ShardEntry entry{"half.h5", 1, fs::file_size(file), hash_file(file)};
  VerifyOptions options;
  EXPECT_EQ(check_shard(dir_ / "set", entry, 0, options).problems.count(), 0u);
  options.depth = VerifyDepth::pixels;
  expect_lines(check_shard(dir_ / "set", entry, 0, options).problems.lines(), {{"image 0 (half.jpg)", "truncated"}});
}

TEST_F(VerifyTest, TellsProgress) {
  const DataSetManifest manifest = read_dataset_manifest(dir_ / "set");
  VerifyOptions options;
  options.workers = 3;
  std::uint64_t last = 0;
  options.progress = [&](std::uint64_t images) { EXPECT_EQ(images, ++last); };
  const ShardCheck check = check_shard(dir_ / "set", manifest.shards[0], manifest.classes.size(), options);
  EXPECT_EQ(last, manifest.shards[0].count);
  EXPECT_TRUE(check.whole);
  EXPECT_EQ(check.hashes.size(), manifest.shards[0].count);
}

TEST(Problems, KeepsTheFirstLinesAndCountsAll) {
  Problems some(2), more(2);
  for (const char* line : {"a", "b", "c"})
    some.add(line);
  more.add("d");
  more.append(some);
  EXPECT_EQ(more.count(), 4u);
  EXPECT_EQ(more.lines(), (std::vector<std::string>{"d", "a"}));
}

}  // namespace
}  // namespace msn
