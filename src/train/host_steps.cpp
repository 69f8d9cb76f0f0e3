// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/inject.hpp"
#include "train/batch_tensors.hpp"
#include "train/setup.hpp"
#include "train/steps.hpp"

namespace msn {
namespace {

class HostSteps : public Steps {
 public:
  explicit HostSteps(const StepsOf& of) : of_(of), stepper_(of.state, of.config, of.communicator, of.sections) {}

  const GradientBuckets& buckets() const override { return stepper_.buckets(); }

  void begin() override {
    MSN_CHECK(!done_.has_value());
    TrainState& state = of_.state;
    if (of_.sections != nullptr) of_.sections->begin_step(state.step + 1);
    if (inject("step", state.step, of_.rank)) state.online.values().narrow(0, 0, 1).add_(1);
    done_.emplace();
    done_->batch = of_.batches.next();
    done_->schedule = of_.schedules.at(static_cast<std::int64_t>(state.step));
    done_->report = stepper_.run(
        make_step_input(done_->batch, of_.config, compute_type(of_.config.train.precision)), done_->schedule);
  }

  std::size_t under_way() const override { return done_ ? 1 : 0; }

  DoneStep finish() override {
    MSN_CHECK(done_.has_value());
    DoneStep done = std::move(*done_);
    done_.reset();
    return done;
  }

  void recycle(Batch&& used) override { of_.batches.recycle(std::move(used)); }

 private:
  const StepsOf of_;
  Stepper stepper_;
  std::optional<DoneStep> done_;
};

}  // namespace

std::unique_ptr<Steps> make_host_steps(const StepsOf& of) {
  return std::make_unique<HostSteps>(of);
}

}  // namespace msn
