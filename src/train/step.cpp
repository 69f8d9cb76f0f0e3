// SPDX-License-Identifier: Apache-2.0
#include "train/step.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <cmath>

#include "kernels/adamw.hpp"
#include "kernels/reduce.hpp"
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

}  // namespace

Stepper::Stepper(TrainState& state, const Config& config, const Communicator& communicator, Sections* sections)
    : state_(state),
      loss_(config.loss),
      clip_(config.optim.clip),
      micro_batch_(config.train.micro_batch),
      freeze_prototypes_(config.model.freeze_prototypes),
      log_prior_(log_prior(config.loss, state.online.segment("prototypes").shape[0])),
      communicator_(communicator),
      buckets_(state.online, communicator, bucket_sizes(config.runtime)),
      sections_(sections),
      online_trunk_(state.online, state.shape),
      target_trunk_(state.target, state.shape),
      online_head_(state.online),
      target_head_(state.target) {}

StepReport Stepper::run(const StepInput& input, const ScheduleValues& schedule) {
  const at::NoGradGuard no_autograd;
  StepReport report;
  const BufferSnapshot before(state_);
  state_.online.gradients().zero_();
  inject_into_gradient(state_, communicator_.rank());
  buckets_.begin();
  forward_backward(input, schedule.sharpen, report);
  finish_reduction(report);
  const InSection section(sections_, Section::update);
  const std::int64_t encoder_end = state_.encoder_end();
  report.grad_norm = std::sqrt(squares_of_gradients(0, encoder_end));
  report.finite = buckets_.flag_sum(kNotFinite) == 0 && std::isfinite(report.grad_norm) &&
                  std::isfinite(squares_of_gradients(encoder_end, state_.online.gradients().numel()));
  if (!report.finite) {
    before.restore();
    return report;
  }
  update(report.grad_norm, schedule);
  ++state_.step;
  state_.skipped_in_a_row = 0;
  return report;
}

void Stepper::forward_backward(const StepInput& input, double sharpen, StepReport& report) {
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
  inject_into_loss(report.objective, state_.step, communicator_.rank());
  buckets_.set_flag(kNotFinite, is_finite(report.objective.parts) ? 0 : 1);

  section.next(Section::backward);
  std::vector<at::Tensor> dz;
  row = 0;
  for (const ViewGroup& group : anchors) {
    dz.push_back(report.objective.dz.narrow(0, row, group.images()));
    row += group.images();
  }
  if (!freeze_prototypes_) state_.online.gradient("prototypes").copy_(report.objective.dprototypes);
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

// As the official code: the encoder's gradients are averaged over ranks, the prototypes' summed.
void Stepper::finish_reduction(StepReport& report) {
  const InSection section(sections_, Section::reduce);
  buckets_.finish();
  if (communicator_.size() > 1) state_.online.gradients().narrow(0, 0, state_.encoder_end()).div_(communicator_.size());
  report.reduce_seconds = buckets_.seconds();
  report.reduce_wait_seconds = buckets_.exposed_seconds();
}

/// Of the reduced gradients, and so the same on every rank.
double Stepper::squares_of_gradients(std::int64_t begin, std::int64_t end) const {
  const at::Tensor range = state_.online.gradients().narrow(0, begin, end - begin);
  return range.scalar_type() == at::kFloat ? kernels::sum_of_squares<float>(span_of<float>(range))
                                           : kernels::sum_of_squares<double>(span_of<double>(range));
}

void Stepper::update(double grad_norm, const ScheduleValues& schedule) {
  const double clip = kernels::clip_factor(grad_norm, clip_);
  // The prototypes' gradient is a sum over ranks. Adam with the mean and with eps over the number of ranks makes the
  // same update, and its moments stay comparable when a run goes on with other ranks.
  const double of_sum = 1.0 / communicator_.size();
  std::vector<kernels::UpdateRange> ranges;
  for (const Segment& segment : state_.online.segments()) {
    const bool encoder = segment.name != "prototypes";
    if (!encoder && freeze_prototypes_) continue;
    // Decayed: every encoder tensor with more than one dimension, class token and positions included.
    ranges.push_back({segment.offset, segment.offset + segment.elements, encoder && segment.shape.size() > 1,
                      encoder ? clip : of_sum, encoder, encoder ? 1.0 : of_sum});
  }
  kernels::AdamWStep step;
  step.lr = schedule.lr;
  step.weight_decay = schedule.weight_decay;
  step.count = static_cast<std::int64_t>(state_.step - state_.skipped) + 1;
  step.ema_momentum = schedule.ema_momentum;
  const auto run = [&]<class T>(T) {
    kernels::adamw_ema<T>(span_of<T>(state_.online.values()), span_of<T>(state_.online.gradients()),
                          span_of<T>(state_.exp_avg), span_of<T>(state_.exp_avg_sq), span_of<T>(state_.target.values()),
                          ranges, step);
  };
  if (state_.online.type() == at::kFloat) {
    run(float{});
  } else {
    run(double{});
  }
}

}  // namespace msn
