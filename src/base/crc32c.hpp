// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace msn {

/// CRC-32C (Castagnoli polynomial, reflected, as in iSCSI, RFC 3720 appendix B.4) of `bytes`; uses the processor's
/// instruction where it has one.
std::uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace msn
