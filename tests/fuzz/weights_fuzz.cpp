// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as a file of weights. Header and tensors are read, names are put in place, sizes
// measured, and what has a place is written again and must come back the same; only a data error or, for what is whole
// but no network of ours, a config error may come of it.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "exchange/safetensors_writer.hpp"
#include "exchange/tensor_files.hpp"
#include "exchange/vit_names.hpp"

namespace {

namespace fs = std::filesystem;

/// A folder for the whole run. Processes that fuzz side by side have one each.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("msn-fuzz-weights-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

void require_same(const std::vector<msn::NamedTensor>& before, const msn::VitTensors& after) {
  if (after.tensors.size() != before.size()) std::abort();
  for (const msn::NamedTensor& tensor : before) {
    const msn::NamedTensor* found = after.find(tensor.name);
    if (found == nullptr || found->dtype != tensor.dtype || found->shape != tensor.shape) std::abort();
    if (found->read() != tensor.read()) std::abort();
  }
}

void look_at(const Folder& folder, const fs::path& file, msn::Network network) {
  const std::string where = file.string();
  const msn::VitTensors vit = msn::to_official_names(msn::open_tensor_files(file), where, network);
  if (!vit.passed_over.empty()) msn::passed_over_text(vit);
  const msn::VitSizes sizes = msn::measure_vit(vit, where);
  msn::write_safetensors(folder / "again.safetensors", vit.tensors, {{"format", "pt"}});
  const auto again = msn::to_official_names(msn::open_tensor_files(folder / "again.safetensors"), where);
  require_same(vit.tensors, again);
  if (!(msn::measure_vit(again, where) == sizes)) std::abort();
  // The trunk, by Hugging Face's names and back.
  std::vector<msn::NamedTensor> trunk;
  for (const msn::NamedTensor& tensor : vit.tensors) {
    if (tensor.name != "prototypes" && !tensor.name.starts_with("fc.")) trunk.push_back(tensor);
  }
  msn::write_safetensors(folder / "hf.safetensors", msn::to_hugging_face_names(vit.tensors), {});
  require_same(trunk, msn::to_official_names(msn::open_tensor_files(folder / "hf.safetensors"), where));
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

/// libFuzzer's own changes; then the length of the header is mostly put right again, up to the last brace, or hardly
/// any changed file would get past it.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  const std::size_t changed = LLVMFuzzerMutate(data, size, max_size);
  if (changed <= 8 || seed % 8 == 0) return changed;
  std::size_t end = changed;
  while (end > 8 && !(data[end - 1] == '}' && (end == changed || data[end] != '}')))
    --end;
  const std::uint64_t length = end - 8;
  std::memcpy(data, &length, sizeof length);
  return changed;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  const fs::path file = folder / "input.safetensors";
  msn::FileHandle(file, O_WRONLY | O_CREAT | O_TRUNC).write_at(std::as_bytes(std::span(data, size)), 0);
  for (const msn::Network network : {msn::Network::target, msn::Network::online}) {
    try {
      look_at(folder, file, network);
    } catch (const msn::Error& error) {
      // Anything else is a defect.
      if (error.code() != msn::ExitCode::data && error.code() != msn::ExitCode::config) std::abort();
      if (error.problem().empty() || error.where().empty()) std::abort();
    }
  }
  return 0;
}
