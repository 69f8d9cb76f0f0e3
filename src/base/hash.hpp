// SPDX-License-Identifier: Apache-2.0
// XXH3-128, the hash of files, tensors and texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace msn {

/// Hash of bytes that come in pieces. The result does not depend on how they were cut.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// 32 lower-case hexadecimal digits.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hash_hex(std::span<const std::byte> bytes);
std::string hash_hex(std::string_view text);
/// Hash of a whole file. Throws data_error if it cannot be read.
std::string hash_file(const std::filesystem::path& file);

/// A 64-bit hash of a name, for keys of random streams. Part of the numbers that a seed gives: never changes.
std::uint64_t hash_name(std::string_view name);

}  // namespace msn
