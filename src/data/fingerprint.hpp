// SPDX-License-Identifier: Apache-2.0
// What makes two data sets the same: classes, and names, labels and bytes of the images in order (docs/formats.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/hash.hpp"

namespace msn {

/// XXH3-128 as two numbers, the high half first.
using Hash128 = std::array<std::uint64_t, 2>;

Hash128 hash_128(std::span<const std::byte> bytes);

/// The fingerprint of a data set, image by image. How the images are cut into shards does not enter it.
class Fingerprint {
 public:
  explicit Fingerprint(const std::vector<std::string>& classes);

  /// The next image: its name, its label and the hash of its encoded bytes.
  void add(const std::string& name, std::int32_t label, const Hash128& bytes);
  std::string hex() const { return hasher_.hex(); }

 private:
  Hasher hasher_;
};

}  // namespace msn
