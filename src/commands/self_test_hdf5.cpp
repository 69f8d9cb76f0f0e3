// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file_system.hpp"
#include "base/hdf5.hpp"
#include "base/storage_trial.hpp"
#include "commands/self_test_report.hpp"

namespace msn {

namespace {

/// The slowest rank's.
double slowest(const World& world, double seconds) {
  return 1e-9 * static_cast<double>(world.max(static_cast<std::uint64_t>(1e9 * seconds)));
}

/// Every rank writes a file, as those do that share a checkpoint, and reads that of the next rank.
StorageTrial::Times try_storage(const World& world, const std::filesystem::path& folder) {
  const std::string job = world.broadcast(world.host() + "-" + std::to_string(::getpid()));
  const auto file_of = [&](int rank) {
    return folder / (".msn-self-test-" + job + "-" + std::to_string(rank) + ".h5");
  };
  const StorageTrial trial(file_of(world.rank()), static_cast<unsigned>(world.rank()));
  StorageTrial::Times times;
  world.agree([&] {
    try {
      times = trial.write();
    } catch (const Error& error) {
      throw data_error("no HDF5 file can be made here: " + error.problem(), error.where(),
                       "name a folder that exists and may be written to; if only the lock of the file is refused, set "
                       "HDF5_USE_FILE_LOCKING=FALSE");
    }
  });
  const int next = (world.rank() + 1) % world.size();
  world.agree([&] { StorageTrial::read(file_of(next), static_cast<unsigned>(next)); });
  return {slowest(world, times.create), slowest(world, times.write), slowest(world, times.sync),
          slowest(world, times.rename)};
}

}  // namespace

void self_test_hdf5(const World& world, const std::filesystem::path& folder, SelfTestReport& report) {
  report.common_fact("HDF5", h5::library_version());
  report.fact("threads", h5::library_is_thread_safe() ? "the library lets them in at once"
                                                      : "one at a time, which is all that msn needs");
  report.common_fact("file locking", h5::library_file_locking());
  FileSystem system;
  world.agree([&] {
    try {
      system = file_system_of(folder);
    } catch (const Error& error) {
      throw data_error("there is no such folder: " + error.problem(), error.where(),
                       "make it, or name another by --run");
    }
  });
  report.fact("folder", absolute_text(folder));
  report.common_fact("file system", system.name);
  if (!system.caution.empty()) report.warn(system.name + ": " + system.caution);
  const StorageTrial::Times times = try_storage(world, folder);
  report.fact("files", world.size() == 1 ? "written and read back" : "written and read back, each rank's by another");
  report.fact("times", "made in " + time_text(times.create) + ", 1 MiB written in " + time_text(times.write) +
                           ", fsync " + time_text(times.sync) + ", rename with fsync of the folder " +
                           time_text(times.rename));
}

}  // namespace msn
