// SPDX-License-Identifier: Apache-2.0
#include "base/hdf5.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "support/hdf5_edit.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(Hdf5, WritesAndReadsBack) {
  const test::TempDir dir;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  {
    h5::File file(dir / "a.h5", h5::Mode::create);
    file.write<float>("group/values", values, {2, 3});
    file.write_strings("names", {"one", "zwölf", ""});
    file.set_int_attribute("/", "complete", 1);
    file.set_text_attribute("/", "text", "hello");
    file.close();
  }
  const h5::File file(dir / "a.h5", h5::Mode::read);
  EXPECT_EQ(file.read<float>("group/values"), values);
  EXPECT_EQ(file.read<double>("group/values"), std::vector<double>(values.begin(), values.end()));
  EXPECT_EQ(file.read_strings("names"), (std::vector<std::string>{"one", "zwölf", ""}));
  EXPECT_EQ(file.int_attribute("/", "complete"), 1);
  EXPECT_EQ(file.text_attribute("/", "text"), "hello");
  EXPECT_EQ(file.facts("group/values").shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_TRUE(file.exists("group/values"));
  EXPECT_FALSE(file.exists("nowhere/values"));
  EXPECT_EQ(file.list("/"), (std::vector<std::string>{"group", "names"}));
}

TEST(Hdf5, BulkBytesLieAtTheFileOffset) {
  const test::TempDir dir;
  std::uint64_t offset = 0;
  {
    h5::File file(dir / "a.h5", h5::Mode::create);
    offset = file.create("bytes", H5T_NATIVE_UINT8, {4});
    file.close();
  }
  const std::array<std::byte, 4> written{std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}};
  FileHandle(dir / "a.h5", O_RDWR).write_at(written, offset);
  const h5::File file(dir / "a.h5", h5::Mode::read);
  EXPECT_EQ(file.read<std::uint8_t>("bytes"), (std::vector<std::uint8_t>{9, 8, 7, 6}));
  EXPECT_EQ(file.facts("bytes").file_offset, offset);
}

TEST(Hdf5, EqualContentGivesEqualFiles) {
  const test::TempDir dir;
  for (const char* name : {"a.h5", "b.h5"}) {
    h5::File file(dir / name, h5::Mode::create);
    const std::vector<double> values{1, 2};
    file.write<double>("g/x", values, {2});
    file.set_int_attribute("/", "n", 3);
    file.close();
  }
  EXPECT_EQ(hash_file(dir / "a.h5"), hash_file(dir / "b.h5"));
}

TEST(Hdf5, RefusesWhatIsNoHdf5) {
  const test::TempDir dir;
  write_durably(dir / "a.h5", "this is text");
  try {
    h5::File file(dir / "a.h5", h5::Mode::read);
    FAIL() << "opened a text file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_NE(std::string(error.what()).find("a.h5"), std::string::npos);
  }
}

/// The line of the data error that `function` throws.
std::string refusal_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Hdf5, FollowsNoLinkOutOfItsPlace) {
  const test::TempDir dir;
  const auto path = dir / "a.h5";
  const std::vector<double> values{1, 2};
  {
    h5::File file(path, h5::Mode::create);
    file.write<double>("g/x", values, {2});
    file.close();
  }
  std::filesystem::copy(path, dir / "b.h5");
  test::edit_hdf5(path, [](hid_t file) {
    H5Lcreate_soft("/g/x", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/g", file, "group", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("b.h5", "/g/x", file, "external", H5P_DEFAULT, H5P_DEFAULT);
  });
  const h5::File file(path, h5::Mode::read);
  EXPECT_EQ(file.read<double>("g/x"), values);
  for (const char* name : {"soft", "group/x", "external"}) {
    EXPECT_NE(refusal_of([&] { file.read<double>(name); }).find("link"), std::string::npos) << name;
    EXPECT_NE(refusal_of([&] { file.facts(name); }).find("link"), std::string::npos) << name;
    EXPECT_NE(refusal_of([&] { file.has_attribute(name, "n"); }).find("link"), std::string::npos) << name;
  }
}

TEST(Hdf5, ReadsContiguousNumbersAndTextOnly) {
  const test::TempDir dir;
  const auto path = dir / "a.h5";
  h5::File(path, h5::Mode::create).close();
  const std::vector<hsize_t> three{3};
  test::edit_hdf5(path, [&](hid_t file) {
    test::put_dataset(file, "chunked", H5T_STD_I32LE, three, [&](hid_t plan) { H5Pset_chunk(plan, 1, three.data()); });
    test::put_dataset(file, "filtered", H5T_STD_I32LE, three, [&](hid_t plan) {
      H5Pset_chunk(plan, 1, three.data());
      H5Pset_fletcher32(plan);
    });
    test::put_dataset(file, "compact", H5T_STD_I32LE, three, [](hid_t plan) { H5Pset_layout(plan, H5D_COMPACT); });
    test::put_dataset(file, "outside", H5T_STD_I32LE, three,
                      [](hid_t plan) { H5Pset_external(plan, "/dev/null", 0, 12); });
    test::put_dataset(file, "virtual", H5T_STD_I32LE, three, [&](hid_t plan) {
      const hid_t space = H5Screate_simple(1, three.data(), nullptr);
      H5Pset_virtual(plan, space, "/etc/passwd", "x", space);
      H5Sclose(space);
    });
    test::put_dataset(file, "huge", H5T_STD_I32LE, {hsize_t{1} << 60});
    test::put_dataset(file, "huge in sum", H5T_STD_I32LE, {hsize_t{1} << 31, hsize_t{1} << 30});
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    test::put_dataset(file, "long text", text, {1000});
    H5Tclose(text);
    test::put_dataset(file, "good", H5T_STD_I32BE, three);
  });
  const h5::File file(path, h5::Mode::read);
  EXPECT_EQ(file.read<std::int64_t>("good"), (std::vector<std::int64_t>{1, 2, 3}));
  for (const char* name : {"chunked", "filtered", "compact", "outside", "virtual"}) {
    EXPECT_FALSE(file.facts(name).is_contiguous) << name;
    EXPECT_NE(refusal_of([&] { file.read<std::int32_t>(name); }).find("not contiguous"), std::string::npos) << name;
  }
  for (const char* name : {"huge", "huge in sum"}) {
    EXPECT_NE(refusal_of([&] { file.facts(name); }).find("more data than the file"), std::string::npos) << name;
    EXPECT_NE(refusal_of([&] { file.read<std::int32_t>(name); }).find(path.string()), std::string::npos) << name;
  }
  EXPECT_FALSE(refusal_of([&] { file.read_strings("long text"); }).empty());
  EXPECT_NE(refusal_of([&] { file.read_strings("good"); }).find("text"), std::string::npos);
  EXPECT_NE(refusal_of([&] { file.read<float>("nothing"); }).find("nothing"), std::string::npos);
}

TEST(Hdf5, ReadersDoNotWaitForALock) {
  const test::TempDir dir;
  h5::File(dir / "a.h5", h5::Mode::create).close();
  const FileHandle other(dir / "a.h5", O_RDWR);
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  EXPECT_NO_THROW(h5::File(dir / "a.h5", h5::Mode::read));
}

}  // namespace
}  // namespace msn
