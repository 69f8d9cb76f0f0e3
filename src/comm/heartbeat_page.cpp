// SPDX-License-Identifier: Apache-2.0
#include "comm/heartbeat_page.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>
#include <type_traits>

#include "base/files.hpp"

namespace msn {

namespace {

static_assert(std::atomic<std::int64_t>::is_always_lock_free && std::atomic<Section>::is_always_lock_free);
static_assert(std::is_trivially_destructible_v<Heartbeat> && std::is_standard_layout_v<Heartbeat>);

constexpr std::size_t kHeader = alignof(Heartbeat);
static_assert(sizeof(HostState) + sizeof(std::uint64_t) <= kHeader);

/// Where the first rank of a host keeps the page, and how to know that it is this one.
struct Place {
  std::int64_t pid = 0;
  std::int64_t fd = -1;
  std::uint64_t token = 0;  ///< Also the page's first word.
};

void* map(int fd, std::size_t bytes) {
  void* memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

int make_memory(std::size_t bytes) {
  const int fd = ::memfd_create("msn-heartbeats", MFD_CLOEXEC);
  if (fd >= 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

std::uint64_t draw_token() {
  std::random_device device;
  return (std::uint64_t{device()} << 32 | device()) | 1;
}

/// The page of another process, or nullptr.
void* open_page(const Place& place, std::size_t bytes) {
  const std::string path = "/proc/" + std::to_string(place.pid) + "/fd/" + std::to_string(place.fd);
  const int fd = place.fd < 0 ? -1 : ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* memory = ::lseek(fd, 0, SEEK_END) == static_cast<off_t>(bytes) ? map(fd, bytes) : nullptr;
  ::close(fd);
  if (memory != nullptr && *static_cast<const std::uint64_t*>(memory) != place.token) {
    ::munmap(memory, bytes);
    return nullptr;
  }
  return memory;
}

}  // namespace

void HeartbeatPage::lay_out(void* memory) {
  // No object is constructed: the memory is all zero, which is what they begin with, and other ranks may be in it
  // already.
  auto* bytes = static_cast<std::byte*>(memory);
  state_ = reinterpret_cast<HostState*>(bytes + sizeof(std::uint64_t));
  beats_ = reinterpret_cast<Heartbeat*>(bytes + kHeader);
}

HeartbeatPage::HeartbeatPage(const World& world)
    : count_(static_cast<std::size_t>(world.local_size())), own_(static_cast<std::size_t>(world.local_rank())) {
  bytes_ = kHeader + count_ * sizeof(Heartbeat);
  Place place;
  int fd = -1;
  if (world.local_rank() == 0) {
    fd = make_memory(bytes_);
    place = {::getpid(), fd, draw_token()};
    memory_ = map(fd, bytes_);
    if (memory_ != nullptr) *static_cast<std::uint64_t*>(memory_) = place.token;
  }
  if (world.size() > 1) {
    MSN_CHECK_MPI(MPI_Bcast(&place, sizeof place, MPI_BYTE, 0, world.local_comm()));
    if (world.local_rank() != 0) memory_ = open_page(place, bytes_);
    // The first rank's descriptor must stay open until all have come through it.
    MSN_CHECK_MPI(MPI_Barrier(world.local_comm()));
  }
  if (fd >= 0) ::close(fd);
  if (memory_ == nullptr) {
    count_ = 1;
    own_ = 0;
    bytes_ = kHeader + sizeof(Heartbeat);
    memory_ = map(-1, bytes_);
  }
  world.agree([&] {
    if (memory_ == nullptr) {
      throw system_error("cannot map a page of memory", "heartbeats of the ranks", errno,
                         "look at the memory limits of this host");
    }
  });
  lay_out(memory_);
}

HeartbeatPage::~HeartbeatPage() {
  if (memory_ == nullptr) return;
  mine().pid = 0;
  ::munmap(memory_, bytes_);
}

}  // namespace msn
