// SPDX-License-Identifier: Apache-2.0
#include "base/storage_trial.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hdf5.hpp"
#include "base/plain_hdf5.hpp"
#include "base/seconds_since.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

const char* const kLarge = "state/values";
const char* const kSmall = "numbers";
const char* const kComplete = "complete";

std::vector<float> large_values(unsigned seed) {
  std::vector<float> values(StorageTrial::kBytes / sizeof(float));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>((i * 7 + seed) % 65536);
  return values;
}

std::vector<std::int32_t> small_values(unsigned seed) {
  return {static_cast<std::int32_t>(seed), -1, 1 << 30};
}

[[noreturn]] void differs(const fs::path& file, const std::string& how) {
  throw data_error("what was read back " + how + " is not what was written", file.string(),
                   "this file system loses or mixes up data: use another folder, and tell who runs it");
}

void read_without_library(const fs::path& file, unsigned seed) {
  const FileHandle handle(file, O_RDONLY);
  const h5::PlainFile index = h5::read_plain_file(handle, h5::Reals::taken);
  const auto large = index.datasets.find(kLarge);
  const std::vector<float> wanted = large_values(seed);
  std::vector<float> got(wanted.size());
  if (large == index.datasets.end() || large->second.elements != got.size()) differs(file, "(the structure)");
  handle.read_at(std::as_writable_bytes(std::span(got)), large->second.file_offset);
  const auto complete = index.attributes.find(kComplete);
  if (got != wanted || h5::read_plain<std::int32_t>(handle, index, kSmall) != small_values(seed) ||
      complete == index.attributes.end() || complete->second != 1) {
    differs(file, "without the HDF5 library");
  }
}

void read_with_library(const fs::path& file, unsigned seed) {
  const h5::File opened(file, h5::Mode::read);
  if (opened.read<float>(kLarge) != large_values(seed) || opened.read<std::int32_t>(kSmall) != small_values(seed))
    differs(file, "by the HDF5 library");
}

}  // namespace

StorageTrial::StorageTrial(fs::path file, unsigned seed) : file_(std::move(file)), beside_(file_), seed_(seed) {
  beside_ += ".tmp";
}

StorageTrial::~StorageTrial() {
  ::unlink(file_.c_str());
  ::unlink(beside_.c_str());
}

StorageTrial::Times StorageTrial::write() const {
  Times times;
  auto began = std::chrono::steady_clock::now();
  const auto lap = [&began] {
    const double seconds = seconds_since(began);
    began = std::chrono::steady_clock::now();
    return seconds;
  };
  const std::vector<float> values = large_values(seed_);
  h5::File file(beside_, h5::Mode::create);
  const std::uint64_t offset = file.create(kLarge, h5::native_type<float>(), {values.size()});
  file.write<std::int32_t>(kSmall, small_values(seed_), {small_values(seed_).size()});
  file.set_int_attribute("/", kComplete, 1);
  file.close();
  times.create = lap();
  const FileHandle handle(beside_, O_WRONLY);
  handle.write_at(std::as_bytes(std::span(values)), offset);
  times.write = lap();
  handle.sync();
  times.sync = lap();
  rename_durably(beside_, file_);
  times.rename = lap();
  return times;
}

void StorageTrial::read(const fs::path& file, unsigned seed) {
  read_without_library(file, seed);
  read_with_library(file, seed);
}

}  // namespace msn
