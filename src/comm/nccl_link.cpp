// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl_link.hpp"

#include <link.h>

#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "comm/bounded.hpp"

namespace msn {

void check_nccl(ncclResult_t code, const char* call, const char* file, int line) {
  if (code == ncclSuccess) return;
  throw internal_error("NCCL failed: " + std::string(ncclGetErrorString(code)) + "; " + ncclGetLastError(nullptr),
                       std::string(call) + " at " + file + ":" + std::to_string(line));
}

namespace {

std::vector<std::string> loaded_nccls() {
  std::vector<std::string> paths;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* found) {
        const std::string_view path(object->dlpi_name);
        if (path.find("/libnccl.so") != std::string_view::npos) {
          static_cast<std::vector<std::string>*>(found)->emplace_back(path);
        }
        return 0;
      },
      &paths);
  return paths;
}

std::string version_text(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

Error late(const std::string& what, NcclLink::Duration limit) {
  return {ExitCode::watchdog,
          "NCCL did not finish within " + std::to_string(limit.count() / 1000) + " s: " + what,
          {},
          "look for a rank that ended or hangs; NCCL_DEBUG=INFO tells what NCCL waits for, NCCL_SOCKET_IFNAME chooses "
          "its network"};
}

}  // namespace

void check_nccl_library() {
  const std::vector<std::string> paths = loaded_nccls();
  if (paths.size() > 1) {
    throw usage_error("two NCCLs are loaded, " + paths[0] + " and " + paths[1], "start",
                      "build with NCCL_ROOT at the one that LibTorch loads, and leave LD_PRELOAD alone");
  }
  int version = 0;
  MSN_CHECK_NCCL(ncclGetVersion(&version));
  if (version < NCCL_VERSION_CODE || version / 10000 != NCCL_MAJOR) {
    throw usage_error("the NCCL that was loaded is " + version_text(version) + ", msn was built with " +
                          version_text(NCCL_VERSION_CODE),
                      paths.empty() ? "start" : paths[0], "correct LD_LIBRARY_PATH, or build again with this NCCL");
  }
}

std::string nccl_version() {
  int version = 0;
  MSN_CHECK_NCCL(ncclGetVersion(&version));
  return version_text(version);
}

NcclLink::NcclLink(const ncclUniqueId& id, int rank, int size, Duration limit) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  try {
    const ncclResult_t begun = ncclCommInitRankConfig(&comm_, size, id, rank, &config);
    if (begun != ncclInProgress) MSN_CHECK_NCCL(begun);
    settle("to connect " + std::to_string(size) + " ranks", limit);
  } catch (...) {
    abort(std::chrono::seconds(10));
    throw;
  }
}

ncclResult_t NcclLink::status(const std::string& what) {
  if (state_ != State::open) throw internal_error("NCCL was ended by another thread", what);
  ncclResult_t status = ncclSuccess;
  MSN_CHECK_NCCL(ncclCommGetAsyncError(comm_, &status));
  if (status != ncclSuccess && status != ncclInProgress) {
    throw internal_error("NCCL failed: " + std::string(ncclGetErrorString(status)) + "; " + ncclGetLastError(comm_),
                         what);
  }
  return status;
}

void NcclLink::settle(const std::string& what, Duration limit) {
  const auto begun = std::chrono::steady_clock::now();
  for (int tries = 0;; ++tries) {
    {
      const std::lock_guard lock(mutex_);
      if (status(what) == ncclSuccess) return;
    }
    if (std::chrono::steady_clock::now() - begun > limit) throw late(what, limit);
    if (tries < 100) {  // Between ranks that are connected it takes microseconds.
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
}

void NcclLink::issue(const std::function<ncclResult_t(ncclComm_t)>& call, const std::string& what, Duration limit) {
  {
    const std::lock_guard lock(mutex_);
    static_cast<void>(status(what));
    const ncclResult_t begun = call(comm_);
    if (begun != ncclInProgress) check_nccl(begun, what.c_str(), __FILE__, __LINE__);
  }
  settle(what, limit);
}

void NcclLink::check() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::open) static_cast<void>(status("a collective"));
}

void NcclLink::finish(Duration limit) {
  issue([](ncclComm_t comm) { return ncclCommFinalize(comm); }, "to end", limit);
  ncclComm_t comm = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::open) throw internal_error("NCCL was ended by another thread", "finish");
    state_ = State::finished;
    comm = std::exchange(comm_, nullptr);
  }
  if (!run_bounded(limit, [comm] { static_cast<void>(ncclCommDestroy(comm)); })) throw late("to let go", limit);
}

bool NcclLink::abort(Duration limit) noexcept {
  try {
    std::unique_lock lock(mutex_, limit);
    if (!lock) return false;
    if (state_ != State::open) return true;
    state_ = State::aborted;
    const ncclComm_t comm = std::exchange(comm_, nullptr);
    lock.unlock();
    return comm == nullptr || run_bounded(limit, [comm] { static_cast<void>(ncclCommAbort(comm)); });
  } catch (...) {  // No thread to be had.
    return false;
  }
}

}  // namespace msn
