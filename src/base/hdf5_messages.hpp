// SPDX-License-Identifier: Apache-2.0
// Parts of HDF5 headers, for plain_hdf5.cpp. Everything here throws Refusal.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/plain_hdf5.hpp"

namespace msn::h5 {

/// What is wrong; who reads the file adds where.
struct Refusal {
  std::string what;
};

[[noreturn]] void refuse(std::string what);

/// Reads a structure from front to back and never past its end.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : left_(bytes) {}

  std::size_t left() const { return left_.size(); }
  std::span<const std::byte> take(std::size_t count) {
    if (count > left_.size()) refuse("a structure ends too soon");
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  void skip(std::size_t count) { take(count); }
  template <std::integral T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  /// The next bytes must be these.
  void expect(std::string_view signature);

 private:
  std::span<const std::byte> left_;
};

/// Dimensions.
struct Space {
  std::vector<std::uint64_t> shape;
  std::uint64_t elements = 1;
};

/// Of an element.
struct Type {
  ElementKind kind;
  std::uint64_t size;
};

/// Where in the file.
struct Extent {
  std::uint64_t offset, size;
};

Space parse_space(Cursor body);
/// Nothing if it is neither a little-endian integer or IEEE real nor fixed-length text.
std::optional<Type> parse_type(Cursor body);
/// The place of contiguous data.
Extent parse_layout(Cursor body);
/// Adds the attribute if it is a single integer.
void parse_attribute(Cursor body, std::map<std::string, std::int64_t>& into);

}  // namespace msn::h5
