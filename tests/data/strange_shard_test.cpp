// SPDX-License-Identifier: Apache-2.0
// Shards that msn pack never writes: damaged, or made to do harm. Each is read right or refused by one line.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "data/shard.hpp"
#include "data_support.hpp"
#include "support/hdf5_edit.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr int count = 3;

std::vector<ShardItem> some_items() {
  std::vector<ShardItem> items;
  for (int i = 0; i < count; ++i) {
    ShardItem& item = items.emplace_back();
    item.bytes.resize(static_cast<std::size_t>(8 + i), static_cast<std::byte>(i));
    item.label = i;
    item.width = item.height = 4;
    item.name = "c/" + std::to_string(i);
  }
  return items;
}

void write_good(const std::filesystem::path& file) {
  write_shard(file, some_items(), {{"bad.jpg", "why"}});
}

/// Everything that can be read of the shard.
void read_all(const std::filesystem::path& file) {
  const Shard shard(file);
  for (std::size_t i = 0; i < shard.count(); ++i)
    shard.read(i);
  shard.names();
  shard.left_out();
}

/// A good shard with one change.
struct Strange {
  const char* what;
  std::function<void(hid_t)> change;
  const char* line;  ///< A part of the refusal.
};

const std::vector<hsize_t> one_each{count};

const Strange strange[] = {
    {"soft link",
     [](hid_t file) {
       H5Lmove(file, "label", file, "other", H5P_DEFAULT, H5P_DEFAULT);
       H5Lcreate_soft("/other", file, "label", H5P_DEFAULT, H5P_DEFAULT);
     },
     "link"},
    {"external link",
     [](hid_t file) {
       H5Ldelete(file, "label", H5P_DEFAULT);
       H5Lcreate_external("/etc/passwd", "/label", file, "label", H5P_DEFAULT, H5P_DEFAULT);
     },
     "as msn writes it"},
    {"external storage",
     [](hid_t file) {
       test::put_dataset(file, "label", H5T_STD_I32LE, one_each,
                         [](hid_t plan) { H5Pset_external(plan, "/dev/null", 0, 4 * count); });
     },
     "external files"},
    {"chunks",
     [](hid_t file) {
       test::put_dataset(file, "label", H5T_STD_I32LE, one_each,
                         [](hid_t plan) { H5Pset_chunk(plan, 1, one_each.data()); });
     },
     "chunked storage"},
    {"compact",
     [](hid_t file) {
       test::put_dataset(file, "label", H5T_STD_I32LE, one_each, [](hid_t plan) { H5Pset_layout(plan, H5D_COMPACT); });
     },
     "compact storage"},
    {"filter",
     [](hid_t file) {
       test::put_dataset(file, "label", H5T_STD_I32LE, one_each, [](hid_t plan) {
         H5Pset_chunk(plan, 1, one_each.data());
         H5Pset_fletcher32(plan);
       });
     },
     "as msn writes it"},
    {"virtual",
     [](hid_t file) {
       test::put_dataset(file, "label", H5T_STD_I32LE, one_each, [](hid_t plan) {
         const hid_t space = H5Screate_simple(1, one_each.data(), nullptr);
         H5Pset_virtual(plan, space, "/etc/passwd", "label", space);
         H5Sclose(space);
       });
     },
     "as msn writes it"},
    {"never stored", [](hid_t file) { test::put_dataset(file, "label", H5T_STD_I32LE, {2000}); }, "outside the file"},
    {"huge", [](hid_t file) { test::put_dataset(file, "label", H5T_STD_I32LE, {hsize_t{1} << 60}); },
     "outside the file"},
    {"huge in sum",
     [](hid_t file) {
       test::put_dataset(file, "label", H5T_STD_I32LE, {hsize_t{1} << 31, hsize_t{1} << 30});
     },
     "outside the file"},
    {"float", [](hid_t file) { test::put_dataset(file, "label", H5T_IEEE_F32LE, one_each); }, "integers"},
    {"big endian", [](hid_t file) { test::put_dataset(file, "label", H5T_STD_I32BE, one_each); }, "little-endian"},
    {"unsigned", [](hid_t file) { test::put_dataset(file, "label", H5T_STD_U32LE, one_each); },
     "signed integers of 32"},
    {"wide", [](hid_t file) { test::put_dataset(file, "width", H5T_STD_U32LE, one_each); }, "unsigned integers of 16"},
    {"numbers for names", [](hid_t file) { test::put_dataset(file, "name", H5T_STD_U8LE, one_each); }, "text"},
    {"two dimensions",
     [](hid_t file) {
       test::put_dataset(file, "label", H5T_STD_I32LE, {count, 1});
     },
     "2 dimensions"},
    {"too many", [](hid_t file) { test::put_dataset(file, "flags", H5T_STD_U8LE, {count + 1}); }, "4 entries, not 3"},
    {"too few", [](hid_t file) { test::put_dataset(file, "crc32c", H5T_STD_U32LE, {1}); }, "1 entries, not 3"},
    {"missing", [](hid_t file) { H5Ldelete(file, "offset", H5P_DEFAULT); }, "no such dataset"},
    {"no bytes", [](hid_t file) { H5Ldelete(file, "bytes", H5P_DEFAULT); }, "no dataset of bytes"},
    {"offsets that do not begin at 0",
     [](hid_t file) { test::put_dataset(file, "offset", H5T_STD_U64LE, {count + 1}); }, "do not rise"},
    {"reasons without names", [](hid_t file) { H5Ldelete(file, "left_out/reason", H5P_DEFAULT); }, "no such dataset"},
    {"a group for a dataset",
     [](hid_t file) {
       H5Ldelete(file, "label", H5P_DEFAULT);
       H5Gclose(H5Gcreate2(file, "label", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
     },
     "no such dataset"},
    {"a group in itself",
     [](hid_t file) { H5Lcreate_hard(file, "/", file, "left_out/again", H5P_DEFAULT, H5P_DEFAULT); },
     "as msn writes it"},
    {"a named type",
     [](hid_t file) {
       const hid_t type = H5Tcopy(H5T_STD_I32LE);
       H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
       test::put_dataset(file, "label", type, one_each);
       H5Tclose(type);
     },
     "as msn writes it"},
};

TEST(StrangeShard, IsRefusedByOneLine) {
  const test::TempDir dir;
  const auto file = dir / "a.h5";
  write_good(file);
  ASSERT_NO_THROW(read_all(file));
  for (const Strange& one : strange) {
    SCOPED_TRACE(one.what);
    write_good(file);
    test::edit_hdf5(file, one.change);
    test::expect_data_error([&] { read_all(file); }, {one.line, "a.h5"});
  }
}

TEST(StrangeShard, AnotherDatasetOrNoteIsPassedOver) {
  const test::TempDir dir;
  const auto file = dir / "a.h5";
  write_good(file);
  test::edit_hdf5(file, [](hid_t handle) {
    H5Gclose(H5Gcreate2(handle, "later", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    test::put_dataset(handle, "later/column", H5T_STD_U8LE, {7});
    const hid_t space = H5Screate(H5S_SCALAR);
    H5Aclose(H5Acreate2(handle, "note", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
  });
  EXPECT_NO_THROW(read_all(file));
}

TEST(StrangeShard, OfANewerVersionIsToldApart) {
  const test::TempDir dir;
  write_good(dir / "a.h5");
  {
    h5::File file(dir / "a.h5", h5::Mode::edit);
    file.set_int_attribute("/", "format_version", 2);
    file.close();
  }
  test::expect_data_error([&] { Shard(dir / "a.h5"); }, {"format version 2", "reads version 1", "a.h5"});
}

TEST(StrangeShard, ALinkToAShardIsNotFollowed) {
  const test::TempDir dir;
  write_good(dir / "a.h5");
  std::filesystem::create_symlink(dir / "a.h5", dir / "b.h5");
  test::expect_data_error([&] { Shard(dir / "b.h5"); }, {"b.h5"});
}

TEST(StrangeShard, OtherFormsOfHdf5AreRefused) {
  const test::TempDir dir;
  const auto file = dir / "a.h5";
  for (const bool user_block : {true, false}) {
    const hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    if (user_block) H5Pset_userblock(creation, 512);
    if (!user_block) H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    H5Fclose(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, creation, access));
    H5Pclose(creation);
    H5Pclose(access);
    test::expect_data_error([&] { Shard{file}; }, {"as msn writes it", "a.h5"});
  }
}

/// What any file may do: be read, or be refused by a data error.
void expect_read_or_refused(const std::filesystem::path& file) {
  try {
    read_all(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data) << error.what();
  }
}

// The fuzz target fuzz_shard looks at far more; these steps keep the test short under the sanitizers.
constexpr std::size_t step = 3;

TEST(StrangeShard, SurvivesDamagedBytes) {
  const test::TempDir dir;
  const auto file = dir / "a.h5";
  write_shard(file, some_items(), {});
  const FileHandle handle(file, O_RDWR);
  std::vector<std::byte> whole(handle.size());
  handle.read_at(whole, 0);
  for (std::size_t at = 0; at < whole.size(); at += step) {
    // A little more, much more, and as much as can be.
    const std::array changed{whole[at] ^ std::byte{1}, whole[at] ^ std::byte{0x80}, std::byte{0xff}};
    handle.write_at(std::array{changed[at / step % changed.size()]}, at);
    expect_read_or_refused(file);
    handle.write_at(std::array{whole[at]}, at);
  }
  EXPECT_NO_THROW(read_all(file));
}

TEST(StrangeShard, TruncatedOrLengthenedAnywhereIsRefused) {
  const test::TempDir dir;
  const auto file = dir / "a.h5";
  write_shard(file, some_items(), {});
  const auto size = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, size + 1);
  test::expect_data_error([&] { Shard{file}; }, {"its header says", "a.h5"});
  for (std::uintmax_t part = size - 1; part >= step; part -= step) {
    std::filesystem::resize_file(file, part);
    EXPECT_THROW(Shard{file}, Error) << part << " of " << size << " bytes";
  }
}

}  // namespace
}  // namespace msn
