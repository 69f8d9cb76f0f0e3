// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "comm/flight_recorder.hpp"
#include "comm/world.hpp"

namespace msn {

struct NcclLimits {
  std::chrono::milliseconds start = std::chrono::minutes(5);  ///< Until all ranks are connected.
  /// Until NCCL has put a collective on its stream. Mostly microseconds; the first one of a new size may connect ranks.
  std::chrono::milliseconds issue = std::chrono::minutes(5);
  std::chrono::milliseconds end = std::chrono::seconds(10);  ///< For shutdown() and abort().
};

/// Device tensors over NCCL: one communicator on one stream of its own. Sums are of float32, float64 or bfloat16, in an
/// order that NCCL chooses: the same bits again only for the same sizes, ranks and topology. A collective begins when
/// all that the current stream was given before is done; Work::wait() makes the current stream wait. Neither makes the
/// host wait for the device.
///
/// NCCL does not notice when ranks call different collectives. With other sizes they hang, which the deadline of
/// whoever waits on the host must end; with the same sizes their values are mixed up, which check_order() finds.
///
/// In World::recorder() `issued` is the call, `started` when NCCL has put it on its stream, and `finished` when this
/// host has seen the event behind it, at a later call of any member: it may be late, never early.
///
/// While the current stream is captured into a CUDA graph, collectives become part of it: NCCL's stream joins the
/// capture, no event is asked, and nothing is recorded before the replays (take_captured(), replayed()). All ranks
/// capture alike. The first collectives run before any capture, so that NCCL has connected the ranks. The capture is of
/// the mode thread_local: NCCL puts its kernels on the stream from a thread of its own, and others ask events. Graphs
/// are destroyed before shutdown(), which waits for that; two graphs with collectives never run at a time.
class NcclCommunicator : public Communicator {
 public:
  /// Connects the ranks over their current GPUs (bind_gpu), all different, and adds up a first number. All ranks call;
  /// if one fails or does not come within the limit all throw.
  explicit NcclCommunicator(const World& world, const NcclLimits& limits = {});
  /// Calls nothing of NCCL, whatever state it is in: shutdown() is the good end.
  ~NcclCommunicator() override;

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }

  std::unique_ptr<Work> start_sum(const at::Tensor& tensor, const std::string& what) const override;
  std::unique_ptr<Work> start_gather(const at::Tensor& tensor, const at::Tensor& all,
                                     const std::string& what) const override;

  /// Errors of NCCL and of the GPU; also tells the recorder of what is done.
  void check() const override;

  /// Waits on the host for every collective so far, looking for errors meanwhile; throws a watchdog error after
  /// `limit`.
  void drain(std::chrono::milliseconds limit) const;

  /// Compares the collectives called so far between ranks, by MPI; an agreed error names a rank that called others. All
  /// ranks call at the same place.
  void check_order() const;

  /// The good end: drain(), and NCCL lets go of everything. All ranks call.
  void shutdown() override;

  /// The other end: collectives that wait for other ranks are given up.
  bool abort() const noexcept override;

  CapturedCollectives take_captured() const override;
  void replayed(const CapturedCollectives& captured) const override;

 private:
  struct State;
  std::unique_ptr<Work> start(CollectiveKind kind, const std::string& what, const at::Tensor& source,
                              const at::Tensor& target) const;

  const World& world_;
  const NcclLimits limits_;
  std::shared_ptr<State> state_;
};

}  // namespace msn
