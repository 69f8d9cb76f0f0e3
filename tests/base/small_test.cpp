// SPDX-License-Identifier: Apache-2.0
// The room's smallest parts.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/byte_size.hpp"
#include "base/error.hpp"
#include "base/file_system.hpp"
#include "base/files.hpp"
#include "base/folder_lock.hpp"
#include "base/log.hpp"
#include "base/machine_use.hpp"
#include "base/quantile.hpp"
#include "base/storage_trial.hpp"
#include "base/utc.hpp"
#include "base/utf8.hpp"
#include "base/wire.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(ByteSize, IsANumberAndAUnit) {
  EXPECT_EQ(parse_size("1GiB"), std::uint64_t{1} << 30);
  EXPECT_EQ(parse_size("500MB"), 500000000u);
  EXPECT_EQ(parse_size("4096"), 4096u);
  for (const char* bad : {"", "0", "GiB", "-1", "1 GiB", "1gib", "99999999999TiB"})
    EXPECT_THROW(parse_size(bad), Error);
}

TEST(MachineUse, ReadsWhatTheKernelTells) {
  const test::TempDir folder;
  std::ofstream(folder / "cpuinfo") << "processor\t: 0\nmodel name\t: Some EPYC 9 \nmodel name\t: Other\n";
  EXPECT_EQ(processor_model(folder / "cpuinfo"), "Some EPYC 9");
  std::ofstream(folder / "arm") << "processor\t: 0\nCPU part\t: 0xd40\n";
  EXPECT_EQ(processor_model(folder / "arm"), "");
  EXPECT_EQ(processor_model(folder / "absent"), "");
  // Idle time and waiting for disks are no use: the fourth and fifth numbers.
  std::ofstream(folder / "stat") << "cpu  100 200 300 4000 5000 10 20 30 7 8\ncpu0 1 2 3 4\n";
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(machine_cpu_seconds(folder / "stat"), 660 / ticks);
  EXPECT_EQ(machine_cpu_seconds(folder / "absent"), 0);
  const double before = own_cpu_seconds();
  volatile double work = 0;
  while (own_cpu_seconds() < before + 0.02)
    work = work + 1;
  EXPECT_GE(machine_cpu_seconds(), own_cpu_seconds() - before);
  EXPECT_GE(online_cores(), 1);
}

TEST(Utf8, IsWellFormed) {
  for (const char* good : {"", "plain", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\x88"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"caf\xe9", "\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(FileSystem, IsNamedAndItsTroubleTold) {
  EXPECT_EQ(file_system_of_magic(0xEF53).name, "ext4");
  EXPECT_EQ(file_system_of_magic(0xEF53).caution, "");
  EXPECT_EQ(file_system_of_magic(0x0BD00BD0).name, "Lustre");
  EXPECT_NE(file_system_of_magic(0x6969).caution.find("HDF5_USE_FILE_LOCKING=FALSE"), std::string::npos);
  EXPECT_EQ(file_system_of_magic(0x1234).name, "unknown (0x1234)");
  const test::TempDir dir;
  EXPECT_FALSE(file_system_of(dir.path()).name.empty());
  EXPECT_THROW(file_system_of(dir / "none"), Error);
}

TEST(StorageTrial, ReadsWhatItWroteAndNothingElse) {
  const test::TempDir dir;
  {
    const StorageTrial trial(dir / "a.h5", 3);
    EXPECT_GT(trial.write().sync, 0);
    EXPECT_NO_THROW(StorageTrial::read(dir / "a.h5", 3));
    EXPECT_THROW(StorageTrial::read(dir / "a.h5", 4), Error);
    {
      const FileHandle file(dir / "a.h5", O_WRONLY);
      const std::byte other{0xFF};
      file.write_at({&other, 1}, file.size() - 8192);  // Among the large dataset's bytes.
    }
    EXPECT_THROW(StorageTrial::read(dir / "a.h5", 3), Error);
    EXPECT_THROW(StorageTrial(dir / "none/a.h5", 3).write(), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(Utc, IsReadBackToTheSecond) {
  using namespace std::chrono_literals;
  const auto time = std::chrono::system_clock::from_time_t(1772353800) + 250ms;
  EXPECT_EQ(utc_text(time), "2026-03-01T08:30:00Z");
  EXPECT_EQ(utc_text_milliseconds(time), "2026-03-01T08:30:00.250Z");
  EXPECT_EQ(utc_time("2026-03-01T08:30:00Z"), time - 250ms);
  EXPECT_EQ(utc_time("2026-03-01T08:30:00.250Z"), time - 250ms);
  for (const char* text : {"", "yesterday", "2026-03-01", "2026-03-01T08:30:00", "2026-03-01T08:30:00+01:00"})
    EXPECT_FALSE(utc_time(text)) << text;
}

TEST(Log, LeavesItsFilesWhenItIsTold) {
  const test::TempDir folder;
  log::add_file(folder / "log.txt");
  log::warn("before");
  log::warn_of_any_rank("of any rank");
  log::leave_files();
  log::warn("after");
  log::warn_of_any_rank("after");
  const std::string text = read_text(folder / "log.txt");
  EXPECT_NE(text.find("before"), std::string::npos);
  EXPECT_NE(text.find("of any rank"), std::string::npos);
  EXPECT_EQ(text.find("after"), std::string::npos);
}

TEST(FolderLock, KeepsASecondJobOut) {
  const test::TempDir dir;
  const auto refused = [&](auto lock) {
    try {
      lock(dir.path());
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
      return std::string(error.what()).find("another job") != std::string::npos;
    }
  };
  {
    FolderLock first = FolderLock::exclusive(dir.path());
    EXPECT_TRUE(refused(FolderLock::exclusive));
    EXPECT_TRUE(refused(FolderLock::shared));
    first.share();
    const FolderLock second = FolderLock::shared(dir.path());
    EXPECT_TRUE(refused(FolderLock::exclusive));
  }
  EXPECT_FALSE(refused(FolderLock::exclusive));
}

TEST(Wire, GivesBackWhatWasPut) {
  WireWriter out;
  out.put(std::uint64_t{7});
  out.put(std::string("text\0with zero", 14));
  out.put(std::string());
  out.put(true);
  const std::string bytes = out.take();
  WireReader in(bytes);
  EXPECT_EQ(in.get<std::uint64_t>(), 7u);
  EXPECT_EQ(in.text(), std::string("text\0with zero", 14));
  EXPECT_EQ(in.text(), "");
  EXPECT_FALSE(in.at_end());
  EXPECT_TRUE(in.get<bool>());
  EXPECT_TRUE(in.at_end());
  EXPECT_THROW(in.get<char>(), Error);
}

TEST(Quantile, LiesBetweenTwoValuesInProportion) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(mean({4, 1, 2, 5}), 3);
  EXPECT_THROW(mean({}), Error);
  EXPECT_EQ(quantile({10, 0}, 0.25), 2.5);
  EXPECT_EQ(quantile({5, 1, 3}, 0), 1);
  EXPECT_EQ(quantile({5, 1, 3}, 1), 5);
  EXPECT_EQ(quantile({7}, 0.9), 7);
  EXPECT_THROW(median({}), Error);
}

}  // namespace
}  // namespace msn
