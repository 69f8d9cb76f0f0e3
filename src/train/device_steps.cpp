// SPDX-License-Identifier: Apache-2.0
#include "train/device_steps.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/inject.hpp"
#include "base/log.hpp"
#include "train/device_event.hpp"
#include "train/device_views.hpp"
#include "train/device_wait.hpp"
#include "train/feature_rank.hpp"
#include "train/finite.hpp"
#include "train/setup.hpp"
#include "train/step_graph.hpp"

namespace msn {
namespace {

/// Steps that run eagerly before one is captured: in them libraries make their kernels and workspaces.
constexpr int kEagerSteps = 3;

c10::Stream own_stream(at::Device device) {
  const c10::impl::VirtualGuardImpl devices(device.type());
  // A capture must not be of the default stream.
  return device.is_cpu() ? devices.getStream(device) : devices.getStreamFromGlobalPool(device);
}

at::TensorOptions on_host(at::Device beside) {
  return at::TensorOptions().dtype(at::kDouble).pinned_memory(!beside.is_cpu());
}

/// What the monitors of rank 0 look at.
SampleSize feature_sample(const StepsOf& of) {
  if (of.rank != 0 || !of.config.runtime.monitors) return {};
  const std::int64_t images = of.config.train.global_batch / of.communicator.size();
  return {std::min(images, FeatureRank::kRowsOfAStep), of.config.model.head_out};
}

/// What the host writes for a step and what it reads of it, in memory that the device copies from and to by itself.
struct Slot {
  Slot(at::Device device, std::int64_t numbers)
      : control(at::empty({StepOnDevice::kControls}, on_host(device))),
        found(at::empty({numbers}, on_host(device))),
        done(device) {}

  at::Tensor control, found;
  DeviceEvent done;
};

struct UnderWay {
  Batch batch;
  ScheduleValues schedule;
  std::uint64_t number = 0;
};

/// Batches that batch norms have seen, counted by the host: a launched graph calls nothing that could. Online bn1, bn2,
/// target bn1, bn2.
using BatchCounts = std::array<std::int64_t, 4>;

std::array<std::int64_t*, 4> batch_counts(TrainState& state) {
  return {&state.online_buffers.bn1.batches, &state.online_buffers.bn2.batches, &state.target_buffers.bn1.batches,
          &state.target_buffers.bn2.batches};
}

class DeviceSteps : public Steps {
 public:
  DeviceSteps(const StepsOf& of, const DeviceStepsOptions& options)
      : of_(of),
        options_(options),
        device_(of.state.online.device()),
        stream_(own_stream(device_)),
        stepper_(of.state, of.config, of.communicator, of.sections),
        views_(of.config, of.normalisers, device_, compute_type(of.config.train.precision)),
        wait_(of.communicator),
        on_device_(device_, of.state.online.segment("prototypes").shape[0], feature_sample(of)) {
    for (std::size_t i = 0; i < options.run_ahead + 2; ++i)
      slots_.emplace_back(device_, on_device_.found.numel());
    // What was made so far, the weights' shadows too, is the work of another stream than the steps'.
    DeviceEvent made(device_);
    made.record();
    made.wait();
    revive();
  }

  const GradientBuckets& buckets() const override { return stepper_.buckets(); }
  std::size_t under_way() const override { return under_way_.size(); }
  void recycle(Batch&& used) override { of_.batches.recycle(std::move(used)); }

  void begin() override {
    TrainState& state = of_.state;
    MSN_CHECK(under_way_.size() + 1 < slots_.size());
    UnderWay step;
    step.number = state.step + under_way_.size() + 1;
    const c10::StreamGuard stream(stream_);
    if (of_.sections != nullptr) of_.sections->begin_step(step.number);
    if (inject("step", step.number - 1, of_.rank)) state.online.values().narrow(0, 0, 1).add_(1);
    step.batch = next_batch();
    step.schedule = of_.schedules.at(static_cast<std::int64_t>(step.number - 1));
    const StepInput input = views_.input_of(step.batch);
    Slot& slot = slots_[step.number % slots_.size()];
    // Until a step turns out not to be finite, each one counts for Adam.
    on_device_.set(slot.control, step.schedule, static_cast<std::int64_t>(step.number - state.skipped));
    run(input, step.number - 1);
    slot.found.copy_(on_device_.found, /*non_blocking=*/true);
    slot.done.record();
    under_way_.push_back(std::move(step));
  }

  DoneStep finish() override {
    MSN_CHECK(!under_way_.empty());
    UnderWay step = std::move(under_way_.front());
    under_way_.pop_front();
    wait_for(step);
    const Slot& slot = slots_[step.number % slots_.size()];
    StepReport report = on_device_.read(slot.found);
    if (report.finite) {
      if (again_number_ == step.number)
        log::warn("step " + std::to_string(step.number) + " was not finite, and is when it is run again");
      TrainState& state = of_.state;
      ++state.step;
      state.skipped_in_a_row = 0;
      for (std::size_t i = 0; i < of_a_step_.size(); ++i)
        *batch_counts(state)[i] += of_a_step_[i];
      return {std::move(step.batch), step.schedule, std::move(report)};
    }
    if (!under_way_.empty()) {
      run_again_alone(std::move(step));
      return finish();
    }
    revive();
    return {std::move(step.batch), step.schedule, std::move(report)};
  }

 private:
  Batch next_batch() {
    if (again_.empty()) return of_.batches.next();
    Batch batch = std::move(again_.front());
    again_.pop_front();
    return batch;
  }

  void run(const StepInput& input, std::uint64_t completed) {
    if (!options_.graph) return enqueue(input, completed);
    take_over(input);
    if (eager_ < kEagerSteps) {
      ++eager_;
      return enqueue(input_, completed);
    }
    if (!graph_) capture(completed);
    graph_->launch();
    of_.communicator.replayed(captured_);
  }

  /// Stepper::enqueue() without its effect on the counts of batches, which is noted for finish().
  void enqueue(const StepInput& input, std::uint64_t completed) {
    const auto counts = batch_counts(of_.state);
    BatchCounts before;
    for (std::size_t i = 0; i < counts.size(); ++i)
      before[i] = *counts[i];
    stepper_.enqueue(input, completed, on_device_);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      of_a_step_[i] = *counts[i] - before[i];
      *counts[i] = before[i];
    }
  }

  void capture(std::uint64_t completed) {
    graph_ = make_step_graph(device_);
    try {
      graph_->capture([this, completed] { enqueue(input_, completed); });
    } catch (...) {
      of_.communicator.take_captured();
      throw;
    }
    captured_ = of_.communicator.take_captured();
    log::info("the step is captured as a graph");
  }

  /// Copies the input to where the graph reads it.
  void take_over(const StepInput& input) {
    const auto copy = [this](const at::Tensor& from, at::Tensor& to) {
      if (!from.defined()) return;
      if (!to.defined()) to = at::empty(from.sizes(), from.options().device(device_));
      to.copy_(from, /*non_blocking=*/true);
    };
    for (const auto group : {&StepInput::target, &StepInput::random, &StepInput::focal}) {
      copy((input.*group).patches, (input_.*group).patches);
      copy((input.*group).keep, (input_.*group).keep);
      copy((input.*group).branch_scale, (input_.*group).branch_scale);
      (input_.*group).grid = (input.*group).grid;
    }
  }

  void wait_for(const UnderWay& step) {
    const InSection section(of_.sections, Section::update);
    wait_.until(slots_[step.number % slots_.size()].done);
  }

  /// Of those begun after a step that is not finite none has changed anything.
  void run_again_alone(UnderWay&& step) {
    wait_for(under_way_.back());
    again_number_ = step.number;
    std::deque<Batch> batches;
    batches.push_back(std::move(step.batch));
    for (UnderWay& later : under_way_)
      batches.push_back(std::move(later.batch));
    for (Batch& batch : again_)
      batches.push_back(std::move(batch));
    again_ = std::move(batches);
    under_way_.clear();
    revive();
    begin();
  }

  /// Lets updates change the state again.
  void revive() {
    const c10::StreamGuard stream(stream_);
    on_device_.revive();
  }

  const StepsOf of_;
  const DeviceStepsOptions options_;
  const at::Device device_;
  const c10::Stream stream_;
  Stepper stepper_;
  DeviceViews views_;
  DeviceWait wait_;
  StepOnDevice on_device_;
  std::vector<Slot> slots_;  ///< That of a step is number % size.
  std::deque<UnderWay> under_way_;
  std::deque<Batch> again_;         ///< Of steps that were begun and must be begun again.
  std::uint64_t again_number_ = 0;  ///< Of the first of them, the last time.
  StepInput input_;                 ///< Where the graph reads it.
  BatchCounts of_a_step_{};
  int eager_ = 0;
  std::unique_ptr<StepGraph> graph_;
  CapturedCollectives captured_;
};

}  // namespace

std::unique_ptr<Steps> make_device_steps(const StepsOf& of, const DeviceStepsOptions& options) {
  return std::make_unique<DeviceSteps>(of, options);
}

}  // namespace msn
