// SPDX-License-Identifier: Apache-2.0
// Collectives on tensors where they live.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "comm/collective_ledger.hpp"

namespace msn {

/// A collective that was started. It holds its tensors.
class Work {
 public:
  virtual ~Work() = default;
  /// From here on the result may be used: on the host it blocks, on a device the current stream waits and the host does
  /// not. Called once. Throws what went wrong, with this collective or an earlier one.
  virtual void wait() = 0;
  /// After wait(): how long this rank took part, from its first to its last act. 0 where that is not known.
  virtual double seconds() const { return 0; }
};

/// Collectives run one after the other in the order of the calls, which is the same on every rank; `what` says in a
/// word or two what each is for, in errors and flight records. All calls come from one thread unless said. Nothing
/// communicates in a destructor. Sums are sums on every implementation: who wants a mean divides.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// In-place sum over ranks, in float32, float64 or bfloat16. `tensor` is contiguous and has the same length and type
  /// on every rank. The host's implementation adds in rank order, bfloat16 in float32 with one rounding at the end: the
  /// same bits on every rank, for any message size and path.
  virtual std::unique_ptr<Work> start_sum(const at::Tensor& tensor, const std::string& what) const = 0;

  /// `all` [ranks, elements of `tensor`] gets every rank's values, flat, in rank order. Both contiguous, of one type.
  virtual std::unique_ptr<Work> start_gather(const at::Tensor& tensor, const at::Tensor& all,
                                             const std::string& what) const = 0;

  /// start_sum() and wait().
  virtual void sum(const at::Tensor& tensor, const std::string& what) const;
  /// start_gather() into a new tensor, and wait().
  virtual at::Tensor gather(const at::Tensor& tensor, const std::string& what) const;

  /// Time that the host has spent waiting for collectives so far.
  virtual double wait_seconds() const { return 0; }

  /// Throws if a collective has met an error, here or at a peer: for a host that waits for its device, which nothing
  /// else would tell. Waits for nothing; from any thread. On the host errors come from Work::wait().
  virtual void check() const {}
  /// After an error: gives up what is under way, so that the device waits for no other rank, within a short limit. No
  /// collective may follow. False: the device still waits, and only the end of the process helps. From any thread.
  virtual bool abort() const noexcept { return true; }

  // On a device, collectives that the current stream's capture records into a CUDA graph run at each replay of it.
  /// The collectives captured since the last call. Call it when a capture has ended, well or not.
  virtual CapturedCollectives take_captured() const { return {}; }
  /// The graph that `captured` stands in was launched on the current stream. Call it after each launch: without it the
  /// flight record, drain() and check_order() know nothing of the replay.
  virtual void replayed(const CapturedCollectives& captured) const { static_cast<void>(captured); }

  /// Waits for all that was started and gives everything back. All ranks call, on the good path only.
  virtual void shutdown() {}
};

}  // namespace msn
