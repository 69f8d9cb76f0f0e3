// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as a shard. Whatever can be read of it is read; nothing but a data_error may come of it.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>

#include "base/error.hpp"
#include "base/files.hpp"
#include "data/shard.hpp"

namespace {

/// One file for the whole run, written anew for every input. Processes that fuzz side by side have one each.
class InputFile {
 public:
  InputFile() : path_(std::filesystem::temp_directory_path() / ("msn-fuzz-" + std::to_string(::getpid()) + ".h5")) {}
  ~InputFile() { ::unlink(path_.c_str()); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& write(std::span<const std::byte> bytes) const {
    const msn::FileHandle handle(path_, O_WRONLY | O_CREAT | O_TRUNC);
    handle.write_at(bytes, 0);
    return path_;
  }

 private:
  std::filesystem::path path_;
};

void read_all(const msn::Shard& shard) {
  for (std::size_t i = 0; i < shard.count(); ++i) {
    try {
      shard.read(i);
    } catch (const msn::Error& error) {
      if (error.code() != msn::ExitCode::data) std::abort();
    }
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

/// libFuzzer's own changes; then the superblock is mostly given the right length of the file, or hardly any changed
/// file would get past it.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  constexpr std::size_t length_at = 40;
  const std::uint64_t changed = LLVMFuzzerMutate(data, size, max_size);
  if (changed >= length_at + sizeof changed && seed % 8 != 0) std::memcpy(data + length_at, &changed, sizeof changed);
  return changed;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const InputFile file;
  const std::filesystem::path& path = file.write(std::as_bytes(std::span(data, size)));
  try {
    const msn::Shard shard(path);
    read_all(shard);
    shard.names();
    shard.left_out();
  } catch (const msn::Error& error) {
    if (error.code() != msn::ExitCode::data) std::abort();  // Anything else is a defect.
  }
  return 0;
}
