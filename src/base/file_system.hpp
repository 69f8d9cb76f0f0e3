// SPDX-License-Identifier: Apache-2.0
// What kind of file system a folder lies on, and what is known to go wrong there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace msn {

struct FileSystem {
  std::string name;     ///< "ext4", "Lustre", "NFS"; of an unknown one, "unknown (0x1234)".
  std::string caution;  ///< What runs and data sets on it should look out for, one line; mostly empty.
};

/// Of an existing path, as statfs(2) tells. Throws data_error.
FileSystem file_system_of(const std::filesystem::path& path);

/// Of the number by which statfs(2) tells file systems apart.
FileSystem file_system_of_magic(std::uint32_t magic);

}  // namespace msn
