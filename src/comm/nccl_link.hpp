// SPDX-License-Identifier: Apache-2.0
// One NCCL communicator in which nothing waits for ever: each call has a deadline, any thread may ask for errors or
// abort.
#pragma once

#include <nccl.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>

namespace msn {

/// Throws internal_error with NCCL's own text if an NCCL call fails.
#define MSN_CHECK_NCCL(call) ::msn::check_nccl((call), #call, __FILE__, __LINE__)
void check_nccl(ncclResult_t code, const char* call, const char* file, int line);

/// Throws usage_error if more than one NCCL is loaded (msn's and LibTorch's must be one), or if the one loaded is older
/// than the headers that msn was built with.
void check_nccl_library();

/// Of the NCCL that was loaded, for instance "2.28.9".
std::string nccl_version();

class NcclLink {
 public:
  using Duration = std::chrono::milliseconds;

  /// Connects the ranks, on the current GPU of the thread. If they are not all connected within `limit` the attempt is
  /// aborted and a watchdog error thrown.
  NcclLink(const ncclUniqueId& id, int rank, int size, Duration limit);
  /// Calls nothing of NCCL: a communicator that was neither finished nor aborted is left to the end of the process.
  ~NcclLink() = default;
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  /// Runs `call`, and waits until NCCL has put it on its stream: only then may an event be recorded behind it. `what`
  /// is for the error.
  void issue(const std::function<ncclResult_t(ncclComm_t)>& call, const std::string& what, Duration limit);

  /// Throws internal_error if NCCL has met an error, here or at a peer. From any thread.
  void check();

  /// The good end, after all collectives are done; all ranks call. Throws a watchdog error after `limit`.
  void finish(Duration limit);

  /// The other end, from any thread. True: NCCL has let go of the communicator, kernels that waited for other ranks
  /// included. False: it did not within `limit`; only the end of the process helps then.
  bool abort(Duration limit) noexcept;

 private:
  enum class State { open, finished, aborted };

  /// ncclSuccess or ncclInProgress; any other is thrown. The mutex is held.
  ncclResult_t status(const std::string& what);
  void settle(const std::string& what, Duration limit);

  std::timed_mutex mutex_;  ///< Held for each call of NCCL, none of which blocks, so that abort() frees nothing in use.
  ncclComm_t comm_ = nullptr;
  State state_ = State::open;
};

}  // namespace msn
