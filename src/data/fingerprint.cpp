// SPDX-License-Identifier: Apache-2.0
#include "data/fingerprint.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace msn {

using nlohmann::json;

Hash128 hash_128(std::span<const std::byte> bytes) {
  const std::string hex = hash_hex(bytes);
  Hash128 hash{};
  for (std::size_t i = 0; i < 2; ++i)
    std::from_chars(hex.data() + 16 * i, hex.data() + 16 * (i + 1), hash[i], 16);
  return hash;
}

Fingerprint::Fingerprint(const std::vector<std::string>& classes) {
  hasher_.update(json(classes).dump());
}

void Fingerprint::add(const std::string& name, std::int32_t label, const Hash128& bytes) {
  hasher_.update(json{name, label, bytes}.dump());
}

}  // namespace msn
