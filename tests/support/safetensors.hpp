// SPDX-License-Identifier: Apache-2.0
// Writing safetensors files, good and bad ones, for tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace msn::test {

/// Length, header and data as they are, whether they fit together or not.
inline void write_raw_safetensors(const std::filesystem::path& file, std::uint64_t length, const std::string& header,
                                  const std::string& data) {
  std::ofstream out(file, std::ios::binary);
  for (int i = 0; i < 8; ++i)
    out.put(static_cast<char>(length >> (8 * i) & 0xff));
  out << header << data;
}

struct SafetensorsTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

/// A good file: the tensors one after the other.
inline void write_safetensors(const std::filesystem::path& file, const std::vector<SafetensorsTensor>& tensors) {
  std::string header = R"({"__metadata__": {"format": "pt"})";
  std::string data;
  for (const SafetensorsTensor& tensor : tensors) {
    header += ", \"" + tensor.name + R"(": {"dtype": ")" + tensor.dtype + R"(", "shape": [)";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
    header += "], \"data_offsets\": [" + std::to_string(data.size()) + ", ";
    data += tensor.bytes;
    header += std::to_string(data.size()) + "]}";
  }
  header += "}";
  write_raw_safetensors(file, header.size(), header, data);
}

}  // namespace msn::test
