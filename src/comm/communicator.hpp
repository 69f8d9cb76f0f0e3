// SPDX-License-Identifier: Apache-2.0
// Collectives on tensors where they live.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

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
/// word or two what each is for, in errors and flight records. All calls come from one thread. Nothing communicates in
/// a destructor.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// In-place sum over ranks, in float32 or float64. `tensor` is contiguous and has the same length and type on every
  /// rank. The host's implementation adds in rank order: the same bits on every rank, for any message size and path.
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

  /// Waits for all that was started and gives everything back. All ranks call, on the good path only.
  virtual void shutdown() {}
};

}  // namespace msn
