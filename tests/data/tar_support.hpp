// SPDX-License-Identifier: Apache-2.0
// Writing tar archives, good and bad ones, for tests.
#pragma once

#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace msn::test {

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// One header block. `magic` as in the file: "ustar\0" "00", GNU's "ustar  \0", or nothing for the oldest form.
inline std::string tar_header(const std::string& name, char type, std::uint64_t size, const std::string& prefix = {},
                              std::string_view magic = std::string_view("ustar\0"
                                                                        "00",
                                                                        8)) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  char number[32];
  const auto octal = [&](int digits, std::uint64_t value) {
    std::snprintf(number, sizeof number, "%0*llo", digits, static_cast<unsigned long long>(value));
    return std::string_view(number);
  };
  put(0, std::string_view(name).substr(0, 100));
  put(100, octal(7, 0644));
  put(124, octal(11, size));
  put(136, octal(11, 1700000000));
  put(148, "        ");
  put(156, std::string_view(&type, 1));
  put(257, magic);
  put(345, prefix);
  unsigned sum = 0;
  for (const char c : block)
    sum += static_cast<unsigned char>(c);
  put(148, octal(6, sum));
  block[154] = '\0';
  return block;
}

/// Content with the padding to whole blocks.
inline std::string tar_content(std::string content) {
  content.resize((content.size() + 511) / 512 * 512);
  return content;
}

inline std::string tar_file(const std::string& name, const std::string& content) {
  return tar_header(name, '0', content.size()) + tar_content(content);
}

inline std::string tar_folder(const std::string& name) {
  return tar_header(name, '5', 0);
}

/// One pax record: "LENGTH KEY=VALUE\n".
inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length)
    length = std::to_string(length).size() + rest;
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

inline std::string tar_pax(const std::string& records, char type = 'x') {
  return tar_header("PaxHeader", type, records.size()) + tar_content(records);
}

inline std::string tar_end() {
  return std::string(1024, '\0');
}

}  // namespace msn::test
