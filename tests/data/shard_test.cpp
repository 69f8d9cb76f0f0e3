// SPDX-License-Identifier: Apache-2.0
#include "data/shard.hpp"

#include <gtest/gtest.h>

#include "base/hash.hpp"
#include "base/hdf5.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::vector<ShardItem> some_items() {
  std::vector<ShardItem> items;
  for (int i = 0; i < 5; ++i) {
    items.push_back(
        {test::small_jpeg(i), i % 3 - 1, 20, 16, static_cast<std::uint8_t>(i), "c/" + std::to_string(i) + ".jpg"});
  }
  return items;
}

TEST(Shard, GivesBackWhatWasWritten) {
  const test::TempDir dir;
  const auto items = some_items();
  write_shard(dir / "a.h5", items, {{"bad.jpg", "why"}});
  const Shard shard(dir / "a.h5");
  ASSERT_EQ(shard.count(), items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(shard.read(i), items[i].bytes);
    EXPECT_EQ(shard.label(i), items[i].label);
    EXPECT_EQ(shard.width(i), 20);
    EXPECT_EQ(shard.height(i), 16);
    EXPECT_EQ(shard.flags(i), items[i].flags);
    EXPECT_EQ(shard.names()[i], items[i].name);
  }
  ASSERT_EQ(shard.left_out().size(), 1u);
  EXPECT_EQ(shard.left_out()[0].reason, "why");
  EXPECT_FALSE(std::filesystem::exists(dir / "a.h5.partial"));
}

TEST(Shard, EqualContentGivesEqualFiles) {
  const test::TempDir dir;
  write_shard(dir / "a.h5", some_items(), {});
  write_shard(dir / "b.h5", some_items(), {});
  EXPECT_EQ(hash_file(dir / "a.h5"), hash_file(dir / "b.h5"));
}

TEST(Shard, RefusesOneThatIsNotComplete) {
  const test::TempDir dir;
  write_shard(dir / "a.h5", some_items(), {});
  {
    h5::File file(dir / "a.h5", h5::Mode::edit);
    file.set_int_attribute("/", "complete", 0);
    file.close();
  }
  test::expect_data_error([&] { Shard(dir / "a.h5"); }, {"not complete", "a.h5", "msn pack"});
}

TEST(Shard, RefusesOneThatIsTruncated) {
  const test::TempDir dir;
  write_shard(dir / "a.h5", some_items(), {});
  const auto size = std::filesystem::file_size(dir / "a.h5");
  for (const auto part : {size - 1, size / 2, std::uintmax_t{100}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(dir / "a.h5", part);
    test::expect_data_error([&] { Shard(dir / "a.h5"); }, {"a.h5"});
  }
}

TEST(Shard, FindsADamagedImageWhenItIsRead) {
  const test::TempDir dir;
  const auto items = some_items();
  write_shard(dir / "a.h5", items, {});
  std::uint64_t start = 0;
  {
    const h5::File file(dir / "a.h5", h5::Mode::read);
    start = file.facts("bytes").file_offset + items[0].bytes.size();
  }
  const std::array<std::byte, 1> other{items[1].bytes[0] ^ std::byte{1}};
  FileHandle(dir / "a.h5", 2 /* O_RDWR */).write_at(other, start);
  const Shard shard(dir / "a.h5");
  EXPECT_NO_THROW(shard.read(0));
  test::expect_data_error([&] { shard.read(1); }, {"image 1", "checksum", "a.h5", "pack"});
}

TEST(Shard, AnErrorLeavesNothingBehind) {
  const test::TempDir dir;
  EXPECT_THROW(write_shard(dir / "nowhere" / "a.h5", some_items(), {}), Error);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace msn
