// SPDX-License-Identifier: Apache-2.0
#include "train/step.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <cmath>
#include <string>

#include "base/error.hpp"
#include "kernels/adamw.hpp"
#include "kernels/reduce.hpp"
#include "objective/prior.hpp"

namespace msn {

Stepper::Stepper(TrainState& state, const Config& config, const Communicator& communicator, Sections* sections)
    : state_(state),
      loss_(config.loss),
      clip_(config.optim.clip),
      freeze_prototypes_(config.model.freeze_prototypes),
      log_prior_(log_prior(config.loss, state.online.segment("prototypes").shape[0])),
      communicator_(communicator),
      sections_(sections),
      online_trunk_(state.online, state.shape),
      target_trunk_(state.target, state.shape),
      online_head_(state.online),
      target_head_(state.target) {}

StepReport Stepper::run(const StepInput& input, const ScheduleValues& schedule) {
  const at::NoGradGuard no_autograd;
  StepReport report;
  state_.online.gradients().zero_();
  forward_backward(input, schedule.sharpen, report);
  reduce_gradients();
  const InSection section(sections_, Section::update);
  report.grad_norm = encoder_gradient_norm();
  update(report.grad_norm, schedule);
  ++state_.step;
  return report;
}

void Stepper::forward_backward(const StepInput& input, double sharpen, StepReport& report) {
  InSection section(sections_, Section::forward);
  const at::Tensor target_cls = target_trunk_.forward({input.target}, nullptr);
  ViewGroups anchors;
  for (const ViewGroup* group : {&input.random, &input.focal}) {
    if (group->patches.defined()) anchors.push_back(*group);
  }
  Tape tape;
  const at::Tensor anchor_cls = online_trunk_.forward(anchors, &tape);

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

  section.next(Section::backward);
  std::vector<at::Tensor> dz;
  row = 0;
  for (const ViewGroup& group : anchors) {
    dz.push_back(report.objective.dz.narrow(0, row, group.images()));
    row += group.images();
  }
  online_trunk_.backward(at::cat(heads_backward(heads, dz, communicator_)), tape);
  if (!freeze_prototypes_) state_.online.gradient("prototypes").copy_(report.objective.dprototypes);
}

// As the official code: the encoder's gradients are averaged over ranks, the prototypes' summed.
void Stepper::reduce_gradients() {
  const InSection section(sections_, Section::reduce);
  communicator_.sum(state_.online.gradients(), "gradients");
  if (communicator_.size() > 1) state_.online.gradients().narrow(0, 0, state_.encoder_end()).div_(communicator_.size());
}

double Stepper::encoder_gradient_norm() const {
  const at::Tensor encoder = state_.online.gradients().narrow(0, 0, state_.encoder_end());
  const at::Tensor prototypes = state_.online.gradient("prototypes");
  const auto squares = [](const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kFloat ? kernels::sum_of_squares<float>(span_of<float>(tensor))
                                              : kernels::sum_of_squares<double>(span_of<double>(tensor));
  };
  const double norm = std::sqrt(squares(encoder));
  if (!std::isfinite(norm) || !std::isfinite(squares(prototypes))) {
    // The reduced gradients are the same on every rank, so every rank throws.
    throw AgreedError(numerics_error(
        "the gradients are not finite", "step " + std::to_string(state_.step),
        "the newest checkpoint is from before; look at metrics.jsonl, lower optim.lr or optim.clip, and start again"));
  }
  return norm;
}

void Stepper::update(double grad_norm, const ScheduleValues& schedule) {
  const double clip = kernels::clip_factor(grad_norm, clip_);
  std::vector<kernels::UpdateRange> ranges;
  for (const Segment& segment : state_.online.segments()) {
    const bool encoder = segment.name != "prototypes";
    if (!encoder && freeze_prototypes_) continue;
    // Decayed: every encoder tensor with more than one dimension, class token and positions included.
    ranges.push_back({segment.offset, segment.offset + segment.elements, encoder && segment.shape.size() > 1,
                      encoder ? clip : 1.0, encoder});
  }
  kernels::AdamWStep step;
  step.lr = schedule.lr;
  step.weight_decay = schedule.weight_decay;
  step.count = static_cast<std::int64_t>(state_.step) + 1;
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
