// SPDX-License-Identifier: Apache-2.0
#include "train/step.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/work_times.hpp"
#include "objective/prior.hpp"
#include "train/finite.hpp"
#include "train/injected.hpp"
#include "train/micro_batches.hpp"

namespace msn {

namespace {

/// The flag of a rank whose objective is not finite.
constexpr std::size_t kNotFinite = 0;

BucketSizes bucket_sizes(const RuntimeConfig& runtime) {
  BucketSizes sizes;
  sizes.others = std::max<std::int64_t>(1, std::llround(runtime.bucket_mib * (1 << 20)));
  return sizes;
}

at::Tensor shadow_of(const Parameters& parameters, Precision precision) {
  return precision == Precision::bf16 ? parameters.values().to(at::kBFloat16) : at::Tensor();
}

}  // namespace

Stepper::Stepper(TrainState& state, const Config& config, const Communicator& communicator, Sections* sections)
    : state_(state),
      loss_(config.loss),
      optimizer_{config.optim.clip, config.model.freeze_prototypes, communicator.size()},
      micro_batch_(config.train.micro_batch),
      log_prior_(log_prior(config.loss, state.online.segment("prototypes").shape[0]).to(state.online.device())),
      communicator_(communicator),
      buckets_(state.online, communicator, bucket_sizes(config.runtime), config.train.reduce_precision),
      sections_(sections),
      online_shadow_(shadow_of(state.online, config.train.precision)),
      target_shadow_(shadow_of(state.target, config.train.precision)),
      online_trunk_(state.online, state.shape, online_shadow_,
                    config.train.recompute ? Recompute::norms_and_activations : Recompute::nothing),
      target_trunk_(state.target, state.shape, target_shadow_),
      online_head_(state.online),
      target_head_(state.target) {}

StepReport Stepper::run(const StepInput& input, const ScheduleValues& schedule) {
  const at::NoGradGuard no_autograd;
  StepReport report;
  const BufferSnapshot before(state_);
  zero_gradients();
  inject_into_gradient(state_, state_.step, communicator_.rank());
  buckets_.begin();
  forward_backward(input, schedule.sharpen, state_.step, report);
  finish_reduction(report);
  report.prototypes_used =
      at::zeros({report.objective.targets.size(1)}, at::kDouble).index_fill_(0, report.objective.chosen.cpu(), 1);
  const InSection section(sections_, Section::update);
  const GradientNorms norms = gradient_norms(state_, optimizer_);
  report.grad_norm = norms.encoder;
  report.finite = buckets_.flag_sum(kNotFinite) == 0 && std::isfinite(norms.encoder) && std::isfinite(norms.prototypes);
  if (!report.finite) {
    before.restore();
    return report;
  }
  update_state(state_, optimizer_, norms, schedule, {online_shadow_, target_shadow_});
  ++state_.step;
  state_.skipped_in_a_row = 0;
  return report;
}

void Stepper::enqueue(const StepInput& input, std::uint64_t completed, StepOnDevice& device) {
  const at::NoGradGuard no_autograd;
  StepReport report;
  const BufferSnapshot before(state_);
  zero_gradients();
  inject_into_gradient(state_, completed, communicator_.rank());
  buckets_.begin();
  forward_backward(input, device.sharpen(), completed, report);
  finish_reduction(report);
  const InSection section(sections_, Section::update);
  if (!device_optimizer_) device_optimizer_.emplace(state_, optimizer_, WeightShadows{online_shadow_, target_shadow_});
  const at::Tensor norms = device_optimizer_->gradient_norms();
  device_optimizer_->decide(device.update(), norms, buckets_.flag_sum_tensor(kNotFinite));
  before.restore_unless(device.alive());
  device_optimizer_->update(device.update());
  device.write(report.objective.values, norms, report.objective.chosen, report.h);
}

template <class Sharpen>
void Stepper::forward_backward(const StepInput& input, const Sharpen& sharpen, std::uint64_t completed,
                               StepReport& report) {
  InSection section(sections_, Section::forward);
  const std::int64_t parts = micro_batches(input.target.images(), micro_batch_);
  const at::Tensor target_cls = forward_in_parts(target_trunk_, {input.target}, parts);
  ViewGroups anchors;
  for (const ViewGroup* group : {&input.random, &input.focal}) {
    if (group->patches.defined()) anchors.push_back(*group);
  }
  Tape tape;
  const at::Tensor anchor_cls =
      parts == 1 ? online_trunk_.forward(anchors, &tape) : forward_in_parts(online_trunk_, anchors, parts);

  std::vector<HeadTape> head_tapes(anchors.size());
  std::vector<HeadGroup> heads;
  std::int64_t row = 0;
  for (std::size_t g = 0; g < anchors.size(); ++g) {
    heads.push_back(
        {&online_head_, &state_.online_buffers, anchor_cls.narrow(0, row, anchors[g].images()), &head_tapes[g]});
    row += anchors[g].images();
  }
  heads.push_back({&target_head_, &state_.target_buffers, target_cls, nullptr});
  std::vector<at::Tensor> embeddings = heads_forward(heads, communicator_);
  report.h = embeddings.back();
  embeddings.pop_back();
  heads.pop_back();
  report.z = at::cat(embeddings);

  report.objective =
      msn_loss(report.z, report.h, state_.online.value("prototypes"), sharpen, loss_, log_prior_, communicator_);
  inject_into_loss(report.objective, completed, communicator_.rank());
  if constexpr (std::is_same_v<Sharpen, at::Tensor>) {
    buckets_.set_flag(kNotFinite, not_finite_flag(report.objective.values));
  } else {
    report.objective.parts = parts_of(report.objective.values.cpu());
    buckets_.set_flag(kNotFinite, is_finite(report.objective.parts) ? 0 : 1);
  }

  section.next(Section::backward);
  std::vector<at::Tensor> dz;
  row = 0;
  for (const ViewGroup& group : anchors) {
    dz.push_back(report.objective.dz.narrow(0, row, group.images()));
    row += group.images();
  }
  if (!optimizer_.freeze_prototypes) state_.online.gradient("prototypes").copy_(report.objective.dprototypes);
  const at::Tensor dcls = at::cat(heads_backward(heads, dz, communicator_));
  // Only now: the head's small messages would wait behind a bucket that is under way.
  buckets_.ready_from(state_.online.segment("fc.fc1.weight").offset);
  const auto on_ready = [this](std::int64_t offset) { buckets_.ready_from(offset); };
  if (parts == 1) {
    online_trunk_.backward(dcls, tape, on_ready);
  } else {
    head_tapes.clear();
    backward_in_parts(online_trunk_, anchors, dcls, parts, on_ready);
  }
}

void Stepper::zero_gradients() {
  const at::Tensor& gradients = state_.online.gradients();
  const kernels::TimedWork work(kernels::Work::copy, static_cast<double>(gradients.nbytes()));
  gradients.zero_();
}

void Stepper::finish_reduction(StepReport& report) {
  const InSection section(sections_, Section::reduce);
  buckets_.finish();
  report.reduce_seconds = buckets_.seconds();
  report.reduce_wait_seconds = buckets_.exposed_seconds();
}

}  // namespace msn
