// SPDX-License-Identifier: Apache-2.0
// What lies where in a tar archive. Members are read in place and never extracted.
//
// Own code rather than libarchive: that library streams members and does not say where their bytes begin, which is what
// pread needs; and it reads far more forms than anybody should have to trust. Here: POSIX ustar and pax, GNU with long
// names, and the old form before them. Compressed, sparse, multi-volume and incremental archives are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace msn {

enum class TarKind { file, folder, link, special };  ///< `link`: symbolic or hard; `special`: devices and pipes.

struct TarMember {
  std::string name;  ///< As in the archive, any bytes but zero; not to be trusted.
  TarKind kind = TarKind::file;
  std::uint64_t offset = 0;  ///< First byte of the content in the file.
  std::uint64_t size = 0;    ///< Bytes of the content.
};

/// A stretch of a file that holds an archive: the whole file, or a member that is a tar itself.
struct TarRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Whether the first 512 bytes of a file are a tar header with the right checksum.
bool is_tar_header(std::span<const std::byte> block);

/// Bytes of a tar's blocks.
inline constexpr std::size_t tar_block = 512;

/// The members in the order of the archive; contents are not read. `where` names the archive in errors. Throws
/// data_error, with the byte, for a wrong checksum, an archive or member that is cut off, a form that is not read, and
/// anything behind the archive's end.
std::vector<TarMember> list_tar(const FileHandle& file, TarRange range, const std::string& where);

}  // namespace msn
