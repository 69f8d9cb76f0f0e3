// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as each of the JSON files that come with weights: the index of several files,
// config.json, preprocessor_config.json. What they say is taken or refused by a data or config error.
#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/files.hpp"
#include "exchange/model_json.hpp"
#include "exchange/safetensors_writer.hpp"
#include "exchange/tensor_files.hpp"

namespace {

namespace fs = std::filesystem;

/// A folder with one file of tensors "a" and "b", which an index may name.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("msn-fuzz-json-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
    const auto zero = [] { return std::vector<std::byte>(4); };
    const std::vector<msn::NamedTensor> tensors{{"a", "F32", {1}, zero, ""}, {"b", "F32", {1}, zero, ""}};
    msn::write_safetensors(path_ / "one.safetensors", tensors, {});
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void try_reading(const std::function<void()>& read) {
  try {
    read();
  } catch (const msn::Error& error) {
    // Anything else is a defect.
    if (error.code() != msn::ExitCode::data && error.code() != msn::ExitCode::config) std::abort();
    if (error.problem().empty() || error.where().empty()) std::abort();
  }
}

void check(const msn::ModelJson& model) {
  for (const auto& size : {model.width, model.depth, model.heads, model.patch_size, model.image_size}) {
    if (size && *size < 1) std::abort();
  }
  for (std::size_t i = 0; i < 3; ++i) {
    if (model.mean && !std::isfinite((*model.mean)[i])) std::abort();
    if (model.std && !((*model.std)[i] > 0)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_reading([&] { check(msn::parse_model_json(text, "config.json")); });
  try_reading([&] {
    msn::ModelJson model;
    msn::parse_preprocessor_json(text, "preprocessor_config.json", model);
    check(model);
  });
  const fs::path index = folder.path() / std::string(msn::kIndexFile);
  msn::FileHandle(index, O_WRONLY | O_CREAT | O_TRUNC).write_at(std::as_bytes(std::span(data, size)), 0);
  try_reading([&] {
    // An index can only name the one file, and that whole.
    if (const auto tensors = msn::open_tensor_files(index); !tensors.empty() && tensors.size() != 2) std::abort();
  });
  return 0;
}
