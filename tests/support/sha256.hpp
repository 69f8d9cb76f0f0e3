// SPDX-License-Identifier: Apache-2.0
// SHA-256, the hash in which golden files record pixels.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace msn::test {

/// FIPS 180-4.
std::array<std::uint8_t, 32> sha256(std::span<const std::uint8_t> bytes);
std::string sha256_hex(std::span<const std::uint8_t> bytes);

}  // namespace msn::test
