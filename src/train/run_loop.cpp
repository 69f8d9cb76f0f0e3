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
    : world_(of.world),
      config_(of.config),
      options_(of.options),
      input_(of.input),
      sections_(of.sections),
      records_(of.records),
      placement_(of.placement),
      state_(of.state),
      life_(of.steps),
      ahead_(placement_.run_ahead(config_)),
      schedules_(config_.optim, config_.loss, config_.train, static_cast<std::int64_t>(of.steps_per_epoch)),
      normalisers_(normalisers(input_)),
      batches_(make_batches(input_, config_, world_, state_.step, placement_.device())),
      steps_(make_steps()),
      bad_(world_, config_.data.max_bad, of.steps_per_epoch * static_cast<std::uint64_t>(config_.train.global_batch)),
      stragglers_(world_.gather(world_.host())),
      reports_(world_.rank() == 0 ? std::make_optional<RunReports>(options_.run, config_, life_) : std::nullopt),
      saver_(
          world_, sections_, config_, state_,
          {options_.run, input_.fingerprint, of.steps_per_epoch, of.resumed ? std::optional(state_.step) : std::nullopt,
           of.surroundings, [&lease = records_.lease] { lease.require(); }}),
      requests_(world_, {.run = options_.run,
                         .every_minutes = config_.checkpoint.every_minutes,
                         .max_seconds = options_.max_seconds,
                         .job_end = config_.runtime.job_end,
                         .taken_over = [&lease = records_.lease] { return lease.lost(); }}),
      evaluations_(options_.evaluate, of.steps_per_epoch * static_cast<std::uint64_t>(config_.evaluate.every_epochs),
                   life_.total),
      profile_({options_.profile_steps, options_.run, [&lease = records_.lease] { return lease.holds(); },
                placement_.device()},
               world_.rank()),
      bundle_facts_(bundle_facts(config_, of.surroundings.threads, of.surroundings.device, input_.fingerprint)),
      start_(Clock::now()),
      step_began_(start_) {}

std::unique_ptr<Steps> RunLoop::make_steps() {
  std::unique_ptr<Steps> steps;
  world_.agree([&] {
    steps = placement_.make_steps(
        {state_, config_, placement_.of_state(), schedules_, *batches_, normalisers_, world_.rank(), &sections_});
  });
  steps->buckets().compare_over_ranks();
  return steps;
}

TrainResult RunLoop::run() {
  records_.status.run(state_.step, life_.total, saver_.durable());
  while (steps_->under_way() > 0 || may_begin()) {
    if (may_begin()) {
      profile_.begin_step(state_.step + steps_->under_way() + 1);
      steps_->begin();
    } else {
      finish_step();
    }
  }
  reports_.reset();
  profile_.end();
  saver_.save();  // Of a life without a step.
  records_.life.saved(saver_.durable());
  return result();
}

bool RunLoop::may_begin() const {
  const std::uint64_t begun = state_.step + steps_->under_way();
  if (begun >= life_.last || requests_.stop() || steps_->under_way() > ahead_) return false;
  return steps_->under_way() == 0 || !(requests_.save() || bad_.too_many() || saver_.due_after(begun) ||
                                       compares_after(begun) || evaluations_.due_after(begun));
}

bool RunLoop::compares_after(std::uint64_t step) const {
  const auto every = static_cast<std::uint64_t>(config_.train.check_replicas_every);
  return every > 0 && step % every == 0;
}

void RunLoop::finish_step() {
  DoneStep done = steps_->finish();
  const bool skipped = !done.report.finite;
  const std::uint64_t number = skipped ? state_.step + 1 : state_.step;
  if (options_.on_batch) options_.on_batch(number, done.batch);
  bad_.report(done.batch);
  if (skipped) leave_out(done, number);
  inject_into_state(state_, world_.rank());

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
  records_.life.saved(saver_.durable());
  records_.status.at_step(state_.step, saver_.durable());
  metrics.checkpoint = saver_.take_report();
  if (reports_ && records_.lease.holds()) reports_->add(done.report.h, metrics);
  if (bad_.too_many() && at_rest) bad_.end_run();
  step_began_ = Clock::now();
}

void RunLoop::leave_out(const DoneStep& done, std::uint64_t number) {
  records_.lease.agree(world_);
  bundle_facts_.checkpoint = saver_.durable();
  const StepBundle bundle = make_bundle(world_, bundle_facts_, number, input_, done.batch, state_, done.report);
  skip_or_end(world_, config_.train, options_.run, bundle, state_, [&] {
    if (state_.step > 0) saver_.save();
    records_.status.at_step(state_.step, saver_.durable());
  });
}

/// The step's message: its numbers over all ranks, and what these wish.
StepMetrics RunLoop::agree_on(const DoneStep& done) {
  const double save_seconds = saver_.save_seconds() + evaluations_.seconds_after(state_.step + 1);
  const RankFacts mine{done.batch.wait_seconds, done.batch.bad.size(), requests_.poll(save_seconds), saver_.ready(),
                       sections_.take_times()};
  sections_.enter(Section::reduce);
  StepMetrics metrics = gather_metrics(done.report, mine, placement_.of_host());
  if (stop_wish_of(metrics.wishes.stop).cause == StopCause::taken_over) records_.lease.agree(world_);
  requests_.decide(metrics.wishes);
  sections_.enter(Section::update);

  stragglers_.add(metrics.rank_times);
  bad_.count(done.batch.epoch, metrics.bad_samples);
  metrics.step = state_.step;
  metrics.epoch = done.batch.epoch;
  metrics.time = unix_time();
  metrics.schedule = done.schedule;
  metrics.skipped = !done.report.finite;
  metrics.images_per_second = config_.train.global_batch / seconds_since(step_began_);
  if (reports_ && world_.size() > 1 && reports_->due(state_.step)) metrics.ranks = stragglers_.take();
  last_loss_ = metrics.loss.loss;
  return metrics;
}

void RunLoop::compare_replicas() {
  if (!compares_after(state_.step) || inject("skip-replica-check", state_.step, world_.rank())) return;
  saver_.check_replicas();
}

void RunLoop::measure(StepMetrics& metrics) {
  if (!evaluations_.due_after(state_.step)) return;
  if (ends_early()) {
    evaluations_.leave_out(state_.step);
    return;
  }
  metrics.evaluation = evaluations_.run(state_.step, metrics.epoch + 1, state_, sections_);
  saver_.measured(metrics.evaluation->top1);
}

void RunLoop::save() {
  if (state_.step == life_.last || ends_early()) {
    saver_.save();
  } else if (saver_.due_after(state_.step) || requests_.save()) {
    saver_.begin();
    requests_.saved();
  }
}

TrainResult RunLoop::result() {
  const auto global_batch = static_cast<std::uint64_t>(config_.train.global_batch);
  const auto images = static_cast<double>((state_.step - life_.completed) * global_batch);
  TrainResult result;
  result.step = state_.step;
  result.total_steps = life_.total;
  result.images_seen = state_.step * global_batch;
  result.images_per_second = images / std::max(1e-9, seconds_since(start_));
  result.last_loss = last_loss_;
  result.bad_samples = bad_.total();
  result.skipped = state_.skipped;
  if (state_.step < life_.last) result.stopped = requests_.stop_wish();
  result.checkpoint = checkpoints_folder(options_.run) / step_name(state_.step);
  return result;
}

}  // namespace msn
