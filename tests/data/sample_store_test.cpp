// SPDX-License-Identifier: Apache-2.0
#include "data/sample_store.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/crc32c.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class SampleStoreTest : public ::testing::Test {
 protected:
  /// Three classes of four images in as many shards as asked for.
  void pack(std::uint64_t shards, int classes = 3, int each = 4) {
    test::write_folder(dir_ / "in", classes, each);
    PackOptions options;
    options.shards = shards;
    test::pack_folder(dir_ / "in", dir_ / "set", options);
  }
  static std::vector<std::byte> bytes_of(const SampleStore& store, std::uint64_t sample) {
    const Extent extent = store.locate(sample);
    std::vector<std::byte> bytes(extent.size);
    store.read(extent.shard, extent.offset, bytes);
    EXPECT_EQ(crc32c(bytes), extent.checksum);
    return bytes;
  }
  test::TempDir dir_;
};

TEST_F(SampleStoreTest, ReadsTheShardsThatItNeedsWhenItNeedsThem) {
  pack(4);
  const SampleStore store(dir_ / "set");
  EXPECT_EQ(store.count(), 12u);
  EXPECT_EQ(store.shards_opened(), 0u);
  EXPECT_EQ(bytes_of(store, 4), test::small_jpeg(4));
  EXPECT_EQ(bytes_of(store, 5), test::small_jpeg(5));
  EXPECT_EQ(store.shards_opened(), 1u);
  for (std::uint64_t i = 0; i < 12; ++i)
    EXPECT_EQ(bytes_of(store, i), test::small_jpeg(static_cast<int>(i)));
  EXPECT_EQ(store.shards_opened(), 4u);
  EXPECT_NE(store.describe(5).find("class1/1.jpg"), std::string::npos);
}

TEST_F(SampleStoreTest, ManyThreadsReadTheSame) {
  pack(5);
  const SampleStore store(dir_ / "set");
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (std::uint64_t i = 0; i < 12; ++i)
          wrong += bytes_of(store, i) != test::small_jpeg(static_cast<int>(i));
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST_F(SampleStoreTest, HasFewFilesOpen) {
  const auto open_files = [] {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
      ++count;
    return count;
  };
  constexpr std::uint64_t shards = SampleStore::most_open_files + 20;
  pack(shards, 4, static_cast<int>(shards / 4));
  const std::size_t before = open_files();
  const SampleStore store(dir_ / "set");
  for (std::uint64_t i = 0; i < store.count(); ++i)
    EXPECT_EQ(bytes_of(store, i).size(), store.locate(i).size);
  EXPECT_EQ(open_files(), before + SampleStore::most_open_files);
  EXPECT_EQ(bytes_of(store, 0), test::small_jpeg(0));
  EXPECT_EQ(open_files(), before + SampleStore::most_open_files);
}

TEST_F(SampleStoreTest, NamesTheShardThatIsNotAsItShouldBe) {
  pack(3);
  const SampleStore store(dir_ / "set");
  const std::filesystem::path shard = dir_ / "set" / store.manifest().shards[1].file;
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) - 1);
  EXPECT_EQ(bytes_of(store, 0), test::small_jpeg(0));
  test::expect_data_error([&] { store.locate(5); }, {"bytes", shard.filename().string(), "copy it again"});
  std::filesystem::remove(shard);
  test::expect_data_error([&] { store.locate(5); }, {"missing", shard.filename().string(), "copy it again"});
  EXPECT_NE(store.describe(5).find(shard.filename().string()), std::string::npos);
  test::expect_data_error([&] { SampleStore(dir_ / "nowhere"); }, {"no such data set", "msn pack"});
}

}  // namespace
}  // namespace msn
