// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl_communicator.hpp"

#include <ATen/ops/ones.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstring>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/inject.hpp"
#include "comm/collective_ledger.hpp"
#include "comm/cuda_check.hpp"
#include "comm/nccl_link.hpp"

namespace msn {

namespace {

/// A place in a stream. Its destructor waits for nothing.
class Event {
 public:
  Event() { MSN_CHECK_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() { static_cast<void>(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) { MSN_CHECK_CUDA(cudaEventRecord(event_, stream)); }
  void hold_back(cudaStream_t stream) const { MSN_CHECK_CUDA(cudaStreamWaitEvent(stream, event_, 0)); }
  bool is_past() const {
    const cudaError_t code = cudaEventQuery(event_);
    if (code == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());  // It is an answer, not an error to be found by the next check.
      return false;
    }
    MSN_CHECK_CUDA(code);
    return true;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

ncclDataType_t nccl_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kBFloat16:
      return ncclBfloat16;
    default:
      throw internal_error(std::string("NCCL is given a tensor of ") + c10::toString(type));
  }
}

c10::DeviceIndex current_device() {
  int device = 0;
  MSN_CHECK_CUDA(cudaGetDevice(&device));
  return static_cast<c10::DeviceIndex>(device);
}

bool is_capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  MSN_CHECK_CUDA(cudaStreamIsCapturing(stream, &status));
  return status != cudaStreamCaptureStatusNone;
}

/// For the ledger.
CollectiveLedger::IsPast is_past(std::shared_ptr<Event> event) {
  return [event = std::move(event)] { return event->is_past(); };
}

}  // namespace

struct NcclCommunicator::State {
  State(const ncclUniqueId& id, const World& world, const NcclLimits& limits)
      : link(id, world.rank(), world.size(), limits.start),
        device(current_device()),
        stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device)),
        ledger(world.recorder()) {}

  /// The stream of the device that this thread now gives its work.
  cudaStream_t current() const { return c10::cuda::getCurrentCUDAStream(device).stream(); }

  /// Tells the recorder of those that are done, and looks for errors. NCCL's own are in host memory, so that they may
  /// be looked for at any time; to ask an event would end a capture.
  void look() {
    link.check();
    if (!ledger.is_capturing()) ledger.look();
  }

  NcclLink link;
  const c10::DeviceIndex device;
  /// From LibTorch's pool, of which nothing else takes a stream: its allocator keeps streams that a tensor was used on,
  /// so that it must not be destroyed before the last tensor.
  const c10::cuda::CUDAStream stream;
  CollectiveLedger ledger;
};

namespace {

class NcclWork : public Work {
 public:
  NcclWork(std::shared_ptr<NcclLink> link, c10::DeviceIndex device, std::shared_ptr<Event> done, at::Tensor source,
           at::Tensor target)
      : link_(std::move(link)),
        device_(device),
        done_(std::move(done)),
        source_(std::move(source)),
        target_(std::move(target)) {}

  void wait() override {
    link_->check();
    done_->hold_back(c10::cuda::getCurrentCUDAStream(device_).stream());
    source_.reset();
    target_.reset();
  }

 private:
  const std::shared_ptr<NcclLink> link_;
  const c10::DeviceIndex device_;
  const std::shared_ptr<Event> done_;
  at::Tensor source_, target_;  ///< Kept until the current stream waits.
};

}  // namespace

NcclCommunicator::NcclCommunicator(const World& world, const NcclLimits& limits) : world_(world), limits_(limits) {
  world.agree([] { check_nccl_library(); });
  const std::string bytes = world.on_root([] {
    ncclUniqueId made{};
    MSN_CHECK_NCCL(ncclGetUniqueId(&made));
    return std::string(made.internal, sizeof made.internal);
  });
  ncclUniqueId id{};
  MSN_CHECK(bytes.size() == sizeof id.internal);
  std::memcpy(id.internal, bytes.data(), bytes.size());
  world.barrier();  // A broadcast may end on the root before others have it; they begin to connect together.
  world.agree([&] {
    inject("nccl-start", world.rank());
    state_ = std::make_shared<State>(id, world, limits);
    try {
      // Connections are made when they are first used: now, within the limit for the start.
      const at::Tensor ranks = at::ones({1}, at::TensorOptions().dtype(at::kDouble).device(at::kCUDA, state_->device));
      sum(ranks, "the first number");
      drain(limits.start);
      MSN_CHECK(ranks.item<double>() == world.size());
    } catch (...) {
      abort();
      throw;
    }
  });
}

NcclCommunicator::~NcclCommunicator() = default;

std::unique_ptr<Work> NcclCommunicator::start_sum(const at::Tensor& tensor, const std::string& what) const {
  return start(CollectiveKind::sum, what, tensor, tensor);
}

std::unique_ptr<Work> NcclCommunicator::start_gather(const at::Tensor& tensor, const at::Tensor& all,
                                                     const std::string& what) const {
  MSN_CHECK(all.numel() == tensor.numel() * size() && all.scalar_type() == tensor.scalar_type());
  return start(CollectiveKind::gather, what, tensor, all);
}

std::unique_ptr<Work> NcclCommunicator::start(CollectiveKind kind, const std::string& what, const at::Tensor& source,
                                              const at::Tensor& target) const {
  State& state = *state_;
  for (const at::Tensor* tensor : {&source, &target}) {
    MSN_CHECK(tensor->is_cuda() && tensor->get_device() == state.device && tensor->is_contiguous());
  }
  const ncclDataType_t type = nccl_type(source.scalar_type());
  const auto count = static_cast<std::size_t>(source.numel());
  const bool capturing = is_capturing(state.current());
  CollectiveCall call{kind, c10::toString(source.scalar_type()), count, source.nbytes(), what};
  std::uint64_t number = 0;
  if (capturing) {
    state.ledger.captured(std::move(call));
    state.link.check();
  } else {
    state.look();
    number = state.ledger.issued(call);
  }

  const cudaStream_t stream = state.stream.stream();
  Event ready;
  ready.record(state.current());
  ready.hold_back(stream);
  const void* const from = source.const_data_ptr();
  void* const to = target.mutable_data_ptr();
  state.link.issue(
      [&](ncclComm_t comm) {
        return kind == CollectiveKind::sum ? ncclAllReduce(from, to, count, type, ncclSum, comm, stream)
                                           : ncclAllGather(from, to, count, type, comm, stream);
      },
      what, limits_.issue);
  const auto done = std::make_shared<Event>();
  done->record(stream);
  if (!capturing) {
    state.ledger.started(number);
    state.ledger.ends_before(number, is_past(done));
    // Memory of a tensor that goes away without wait() is not given to others before NCCL is done with it. In a capture
    // nothing goes without wait(), or it would not end, and the allocator could use such memory no more until then.
    source.record_stream(state.stream);
    target.record_stream(state.stream);
  }
  return std::make_unique<NcclWork>(std::shared_ptr<NcclLink>(state_, &state.link), state.device, done, source, target);
}

void NcclCommunicator::check() const {
  // A new thread begins on the first GPU, where a call that needs a context would make one.
  MSN_CHECK_CUDA(cudaSetDevice(state_->device));
  state_->look();
}

CapturedCollectives NcclCommunicator::take_captured() const {
  return state_->ledger.take_captured();
}

void NcclCommunicator::replayed(const CapturedCollectives& captured) const {
  const auto done = std::make_shared<Event>();
  done->record(state_->current());
  state_->ledger.replayed(captured, is_past(done));
  state_->look();
}

void NcclCommunicator::drain(std::chrono::milliseconds limit) const {
  const auto begun = std::chrono::steady_clock::now();
  for (state_->look(); !state_->ledger.is_idle(); state_->look()) {
    if (std::chrono::steady_clock::now() - begun > limit) {
      throw Error(ExitCode::watchdog, "collectives were not done within " + std::to_string(limit.count() / 1000) + " s",
                  "NCCL", "look for a rank that ended, hangs or called another collective");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void NcclCommunicator::check_order() const {
  state_->ledger.check_order(world_);
}

void NcclCommunicator::shutdown() {
  drain(limits_.end);
  state_->link.finish(limits_.end);
}

bool NcclCommunicator::abort() const noexcept {
  return state_ == nullptr || state_->link.abort(limits_.end);
}

}  // namespace msn
