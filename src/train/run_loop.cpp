// SPDX-License-Identifier: Apache-2.0
#include "train/run_loop.hpp"

#include <algorithm>
#include <utility>

#include "base/inject.hpp"
#include "base/seconds_since.hpp"
#include "base/utc.hpp"
#include "checkpoint/layout.hpp"
#include "train/injected.hpp"
#include "train/non_finite.hpp"

namespace msn {

using Clock = std::chrono::steady_clock;

RunLoop::RunLoop(const RunLoopOf& of)
    : of_(of),
      ahead_(of.placement.run_ahead(of.config)),
      schedules_(of.config.optim, of.config.loss, of.config.train, static_cast<std::int64_t>(of.steps_per_epoch)),
      normalisers_(normalisers(of.input)),
      batches_(make_batches(of.input, of.config, of.world, of.state.step, of.placement.device())),
      steps_(make_steps()),
      bad_(of.world, of.config.data.max_bad,
           of.steps_per_epoch * static_cast<std::uint64_t>(of.config.train.global_batch)),
      stragglers_(of.world.gather(of.world.host())),
      reports_(of.world.rank() == 0 ? std::make_optional<RunReports>(of.options.run, of.config, of.steps)
                                    : std::nullopt),
      saver_(of.world, of.sections, of.config, of.state,
             {of.options.run, of.input.fingerprint, of.steps_per_epoch,
              of.resumed ? std::optional(of.state.step) : std::nullopt, of.surroundings,
              [&lease = of.records.lease] { lease.require(); }}),
      requests_(of.world, {.run = of.options.run,
                           .every_minutes = of.config.checkpoint.every_minutes,
                           .max_seconds = of.options.max_seconds,
                           .job_end = of.config.runtime.job_end,
                           .taken_over = [&lease = of.records.lease] { return lease.lost(); }}),
      evaluations_(of.options.evaluate,
                   of.steps_per_epoch * static_cast<std::uint64_t>(of.config.evaluate.every_epochs), of.steps.total),
      profile_({of.options.profile_steps, of.options.run, [&lease = of.records.lease] { return lease.holds(); },
                of.placement.device()},
               of.world.rank()),
      bundle_facts_(bundle_facts(of.config, of.surroundings.threads, of.surroundings.device, of.input.fingerprint)),
      start_(Clock::now()),
      step_began_(start_) {}

std::unique_ptr<Steps> RunLoop::make_steps() {
  std::unique_ptr<Steps> steps;
  of_.world.agree([&] {
    steps = of_.placement.make_steps({of_.state, of_.config, of_.placement.of_state(), schedules_, *batches_,
                                      normalisers_, of_.world.rank(), &of_.sections});
  });
  steps->buckets().compare_over_ranks();
  return steps;
}

TrainResult RunLoop::run() {
  of_.records.status.run(of_.state.step, of_.steps.total, saver_.durable());
  while (steps_->under_way() > 0 || may_begin()) {
    if (may_begin()) {
      profile_.begin_step(of_.state.step + steps_->under_way() + 1);
      steps_->begin();
    } else {
      finish_step();
    }
  }
  reports_.reset();
  profile_.end();
  saver_.save();  // Of a life without a step.
  of_.records.life.saved(saver_.durable());
  return result();
}

bool RunLoop::may_begin() const {
  const std::uint64_t begun = of_.state.step + steps_->under_way();
  if (begun >= of_.steps.last || requests_.stop() || steps_->under_way() > ahead_) return false;
  return steps_->under_way() == 0 || !(requests_.save() || bad_.too_many() || saver_.due_after(begun) ||
                                       compares_after(begun) || evaluations_.due_after(begun));
}

bool RunLoop::compares_after(std::uint64_t step) const {
  const auto every = static_cast<std::uint64_t>(of_.config.train.check_replicas_every);
  return every > 0 && step % every == 0;
}

void RunLoop::finish_step() {
  DoneStep done = steps_->finish();
  const bool skipped = !done.report.finite;
  const std::uint64_t number = skipped ? of_.state.step + 1 : of_.state.step;
  if (of_.options.on_batch) of_.options.on_batch(number, done.batch);
  bad_.report(done.batch);
  if (skipped) leave_out(done, number);
  inject_into_state(of_.state, of_.world.rank());

  StepMetrics metrics = agree_on(done);
  steps_->recycle(std::move(done.batch));
  // With a step under way the state is not at rest; may_begin() sees to it that none is where the state is wanted.
  const bool at_rest = steps_->under_way() == 0;
  if (at_rest) compare_replicas();
  saver_.advance(metrics.savers_ready);
  if (at_rest) {
    measure(metrics);
    save();
  }
  of_.records.life.saved(saver_.durable());
  of_.records.status.at_step(of_.state.step, saver_.durable());
  metrics.checkpoint = saver_.take_report();
  if (reports_ && of_.records.lease.holds()) reports_->add(done.report.h, metrics);
  if (bad_.too_many() && at_rest) bad_.end_run();
  step_began_ = Clock::now();
}

void RunLoop::leave_out(const DoneStep& done, std::uint64_t number) {
  of_.records.lease.agree(of_.world);
  bundle_facts_.checkpoint = saver_.durable();
  const StepBundle bundle =
      make_bundle(of_.world, bundle_facts_, number, of_.input, done.batch, of_.state, done.report);
  skip_or_end(of_.world, of_.config.train, of_.options.run, bundle, of_.state, [&] {
    if (of_.state.step > 0) saver_.save();
    of_.records.status.at_step(of_.state.step, saver_.durable());
  });
}

/// The step's message: its numbers over all ranks, and what these wish.
StepMetrics RunLoop::agree_on(const DoneStep& done) {
  const double save_seconds = saver_.save_seconds() + evaluations_.seconds_after(of_.state.step + 1);
  const RankFacts mine{done.batch.wait_seconds, done.batch.bad.size(), requests_.poll(save_seconds), saver_.ready(),
                       of_.sections.take_times()};
  of_.sections.enter(Section::reduce);
  StepMetrics metrics = gather_metrics(done.report, mine, of_.placement.of_host());
  if (stop_wish_of(metrics.wishes.stop).cause == StopCause::taken_over) of_.records.lease.agree(of_.world);
  requests_.decide(metrics.wishes);
  of_.sections.enter(Section::update);

  stragglers_.add(metrics.rank_times);
  bad_.count(done.batch.epoch, metrics.bad_samples);
  metrics.step = of_.state.step;
  metrics.epoch = done.batch.epoch;
  metrics.time = unix_time();
  metrics.schedule = done.schedule;
  metrics.skipped = !done.report.finite;
  metrics.images_per_second = of_.config.train.global_batch / seconds_since(step_began_);
  if (reports_ && of_.world.size() > 1 && reports_->due(of_.state.step)) metrics.ranks = stragglers_.take();
  last_loss_ = metrics.loss.loss;
  return metrics;
}

void RunLoop::compare_replicas() {
  if (!compares_after(of_.state.step) || inject("skip-replica-check", of_.state.step, of_.world.rank())) return;
  saver_.check_replicas();
}

void RunLoop::measure(StepMetrics& metrics) {
  if (!evaluations_.due_after(of_.state.step)) return;
  if (ends_early()) {
    evaluations_.leave_out(of_.state.step);
    return;
  }
  metrics.evaluation = evaluations_.run(of_.state.step, metrics.epoch + 1, of_.state, of_.sections);
  saver_.measured(metrics.evaluation->top1);
}

void RunLoop::save() {
  if (of_.state.step == of_.steps.last || ends_early()) {
    saver_.save();
  } else if (saver_.due_after(of_.state.step) || requests_.save()) {
    saver_.begin();
    requests_.saved();
  }
}

TrainResult RunLoop::result() {
  const auto global_batch = static_cast<std::uint64_t>(of_.config.train.global_batch);
  const auto images = static_cast<double>((of_.state.step - of_.steps.completed) * global_batch);
  TrainResult result;
  result.step = of_.state.step;
  result.total_steps = of_.steps.total;
  result.images_seen = of_.state.step * global_batch;
  result.images_per_second = images / std::max(1e-9, seconds_since(start_));
  result.last_loss = last_loss_;
  result.bad_samples = bad_.total();
  result.skipped = of_.state.skipped;
  if (of_.state.step < of_.steps.last) result.stopped = requests_.stop_wish();
  result.checkpoint = checkpoints_folder(of_.options.run) / step_name(of_.state.step);
  return result;
}

}  // namespace msn
