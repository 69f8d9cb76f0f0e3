// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "data/encode.hpp"
#include "data/pack.hpp"

namespace msn::test {

/// A small picture that differs from that of any other number.
inline std::vector<std::byte> small_jpeg(int number, int width = 20, int height = 16) {
  Image image{width, height, {}};
  for (int i = 0; i < 3 * width * height; ++i)
    image.rgb.push_back(static_cast<std::uint8_t>(i * (number + 3) + number));
  return encode_jpeg(image, 90);
}

inline void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline void write_file(const std::filesystem::path& file, const std::string& text) {
  write_file(file, std::as_bytes(std::span(text)));
}

/// A folder of `classes` class folders with `each` pictures.
inline void write_folder(const std::filesystem::path& folder, int classes, int each) {
  for (int c = 0; c < classes; ++c) {
    for (int i = 0; i < each; ++i) {
      write_file(folder / ("class" + std::to_string(c)) / (std::to_string(i) + ".jpg"), small_jpeg(c * each + i));
    }
  }
}

/// Packs a folder of pictures; the options may be changed first.
inline PackReport pack_folder(const std::filesystem::path& input, const std::filesystem::path& output,
                              PackOptions options = {}) {
  options.inputs = {input.string()};
  options.output = output;
  options.workers = 2;
  return pack(options);
}

/// The hash of every file in a folder, by name.
inline std::map<std::string, std::string> file_hashes(const std::filesystem::path& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    out[entry.path().filename()] = hash_file(entry.path());
  return out;
}

/// Expects a data error whose line holds all of `parts`.
template <class Function>
void expect_data_error(Function function, const std::vector<std::string>& parts) {
  try {
    function();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << " lacks " << part;
    }
  }
}

}  // namespace msn::test
