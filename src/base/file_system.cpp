// SPDX-License-Identifier: Apache-2.0
#include "base/file_system.hpp"

#include <sys/vfs.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/error.hpp"

namespace msn {

namespace {

struct Known {
  std::uint32_t magic;
  const char* name;
  const char* caution;
};

constexpr const char* kMemory = "it is the memory of this machine: what is written here is gone after the next start";
constexpr const char* kLocks =
    "locks of files may be off here: set HDF5_USE_FILE_LOCKING=FALSE if an HDF5 file cannot be made or opened";

// statfs(2), and linux/magic.h; the parallel ones from their own sources.
constexpr std::array kKnown{
    Known{0x0000EF53, "ext4", ""},
    Known{0x58465342, "XFS", ""},
    Known{0x9123683E, "Btrfs", ""},
    Known{0x2FC12FC1, "ZFS", ""},
    Known{0x794C7630, "overlayfs",
          "it is the layer of a container, slow and perhaps gone with it: name a folder that "
          "is mounted into the container"},
    Known{0x01021994, "tmpfs", kMemory},
    Known{0x858458F6, "ramfs", kMemory},
    Known{0x00006969, "NFS",
          "a file that is touched on another host may be seen up to a minute later, locks may be off (then set "
          "HDF5_USE_FILE_LOCKING=FALSE), and the mount option nocto breaks the lease of a run folder"},
    Known{
        0x0BD00BD0, "Lustre",
        "locks of files work only where it is mounted with -o flock (else set HDF5_USE_FILE_LOCKING=FALSE); stripe the "
        "folder of a large data set (lfs setstripe -c 4)"},
    Known{0x47504653, "GPFS", kLocks},
    Known{0x19830326, "BeeGFS", kLocks},
    Known{0x00C36400, "CephFS", ""},
    Known{0xAAD7AAEA, "PanFS", kLocks},
    Known{0x20030528, "OrangeFS", kLocks},
    Known{0xFF534D42, "CIFS", kLocks},
    Known{0xFE534D42, "SMB", kLocks},
    Known{0x5346414F, "AFS", "tickets of long jobs expire: a run that outlives its ticket cannot save any more"},
    Known{0x65735546, "FUSE", kLocks},
    Known{0x01021997, "9p", kLocks},
};

}  // namespace

FileSystem file_system_of_magic(std::uint32_t magic) {
  for (const Known& known : kKnown) {
    if (known.magic == magic) return {known.name, known.caution};
  }
  char number[16] = "";
  std::snprintf(number, sizeof number, "0x%X", magic);
  return {"unknown (" + std::string(number) + ")", ""};
}

FileSystem file_system_of(const std::filesystem::path& path) {
  struct statfs facts {};
  if (::statfs(path.c_str(), &facts) != 0) throw system_error("cannot examine", path.string(), errno);
  return file_system_of_magic(static_cast<std::uint32_t>(facts.f_type));
}

}  // namespace msn
