// SPDX-License-Identifier: Apache-2.0
// A library for LD_PRELOAD that makes calls of the system fail, for tests of what a bad disk does:
//   MSN_TEST_FAIL="CALL PART RANK FIRST COUNT ERRNO;..."
// The FIRST-th call (from 1) of CALL (pwrite, fsync, mkdir or rename) on rank RANK whose file has PART in its path
// fails with the error of that number, and so do the COUNT - 1 after it. A library that is loaded into every process of
// a job: it must not throw, and takes nothing from msn.
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

struct Fault {
  char call[16];
  char part[128];
  long first;
  long count;
  int error;
  std::atomic<long> seen;
};

Fault faults[8];
int fault_count = 0;

/// Before the program's first thread.
__attribute__((constructor)) void read_environment() {
  const char* text = std::getenv("MSN_TEST_FAIL");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const int mine = rank == nullptr ? 0 : std::atoi(rank);
  while (text != nullptr && *text != '\0' && fault_count < 8) {
    Fault& fault = faults[fault_count];
    int on_rank = 0;
    if (std::sscanf(text, "%15s %127s %d %ld %ld %d", fault.call, fault.part, &on_rank, &fault.first, &fault.count,
                    &fault.error) != 6) {
      std::fprintf(stderr, "MSN_TEST_FAIL is malformed: %s\n", text);
      std::_Exit(2);
    }
    if (on_rank == mine) ++fault_count;
    text = std::strchr(text, ';');
    if (text != nullptr) ++text;
  }
}

bool fails(std::string_view call, const char* path) {
  for (int i = 0; i < fault_count; ++i) {
    Fault& fault = faults[i];
    if (call != fault.call || std::strstr(path, fault.part) == nullptr) continue;
    const long number = ++fault.seen;
    if (number < fault.first || number - fault.first >= fault.count) continue;
    errno = fault.error;
    return true;
  }
  return false;
}

bool fails(std::string_view call, int descriptor) {
  if (fault_count == 0) return false;
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = ::readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return fails(call, path);
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return fails("pwrite", descriptor) ? -1 : real(descriptor, bytes, size, offset);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t offset) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return fails("pwrite", descriptor) ? -1 : real(descriptor, bytes, size, offset);
}

int fsync(int descriptor) {
  static const auto real = next<int (*)(int)>("fsync");
  return fails("fsync", descriptor) ? -1 : real(descriptor);
}

int mkdir(const char* path, mode_t mode) {
  static const auto real = next<int (*)(const char*, mode_t)>("mkdir");
  return fails("mkdir", path) ? -1 : real(path, mode);
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return fails("rename", from) ? -1 : real(from, to);
}
}
