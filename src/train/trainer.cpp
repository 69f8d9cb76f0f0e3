// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/inject.hpp"
#include "base/log.hpp"
#include "base/seconds_since.hpp"
#include "base/utc.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/lease.hpp"
#include "comm/devices.hpp"
#include "comm/watchdog.hpp"
#include "data/sampler.hpp"
#include "kernels/device/space.hpp"
#include "train/bad_samples.hpp"
#include "train/bundle.hpp"
#include "train/gemm_setup.hpp"
#include "train/injected.hpp"
#include "train/input.hpp"
#include "train/lives.hpp"
#include "train/metrics.hpp"
#include "train/non_finite.hpp"
#include "train/placement.hpp"
#include "train/plan.hpp"
#include "train/profile.hpp"
#include "train/replicas.hpp"
#include "train/requests.hpp"
#include "train/run_memory.hpp"
#include "train/run_reports.hpp"
#include "train/saver.hpp"
#include "train/setup.hpp"
#include "train/start_table.hpp"
#include "train/state.hpp"
#include "train/status.hpp"
#include "train/surroundings.hpp"
#include "train/threads.hpp"
#include "train/views_on.hpp"

namespace msn {

namespace {

using Clock = std::chrono::steady_clock;

/// What a life keeps in the run folder, which is its job's alone as long as this is there.
struct RunRecords {
  RunRecords(const World& world, const std::filesystem::path& run, const std::function<void()>& wait)
      : lease(world, run, wait), life(world, run, lease), status(world, run, [this] { return lease.holds(); }) {}

  RunLease lease;
  Life life;
  RunStatus status;
};

/// Tells where training begins and what there is to do, `beginning` in a sentence, and what is odd about it.
void announce(const Config& config, const TrainOptions& options, const std::vector<RankPlace>& places,
              const std::string& beginning, const StartFacts& facts) {
  for (const std::string& line : place_table(places))
    log::info(line);
  for (const std::string& problem : {oversubscription(places), unequal_hosts(places)}) {
    if (!problem.empty()) log::warn(problem);
  }
  log::info(beginning);
  for (const std::string& line : start_table(config, facts))
    log::info(line);
  if (!options.evaluation.empty()) log::info(options.evaluation);
  for (const std::string& warning : dropped_pixels(config))
    log::warn(warning);
}

TrainResult run_training(const World& world, const Config& config, const TrainOptions& options, Sections& sections,
                         const TrainingInput& input, RunRecords& records) {
  auto& [lease, life, status] = records;
  check_run_folder(world, options.run);
  const auto checkpoint = open_run(world, options.run, config, input.fingerprint, options.resume);
  world.agree([&] {
    check_precision(config, options.gpu ? at::kCUDA : at::kCPU);
    views_made(config.runtime.views_on, options.gpu.has_value(), kernels::device::computes_on_gpu());
  });
  status.begin();
  Placement placement(world, options.gpu);
  const int threads = set_up_threads(world, config.runtime.threads);
  const GemmSetup gemm = set_up_gemm_of_run(world, config, checkpoint);
  const MpiCommunicator& communicator = placement.of_host();
  sections.measure_waits_by(
      [&] { return communicator.wait_seconds() + world.recorder().seconds_inside(Channel::world); });
  const std::uint64_t per_epoch = steps_per_epoch(input.epoch_images, config.train.global_batch);
  const std::uint64_t total = per_epoch * static_cast<std::uint64_t>(config.train.epochs);
  const std::uint64_t last = std::min(total, options.max_steps.value_or(total));
  const at::ScalarType type = scalar_type(config.train.precision);

  const std::size_t ahead = placement.run_ahead(config);
  const std::string backend = placement.description() + ", " + name_of(config.train.precision);
  const std::vector<RankPlace> places =
      gather_places(world, placement.gpu(), thread_counts(world, config, communicator, threads));
  const std::uint64_t first = completed_steps(world, checkpoint);
  life.begin(config, {threads, backend, placement.name(), input.fingerprint, first, places});
  tell(gemm);
  placement.set_up(world, config);
  TrainState state(vit_shape(config.model), config.model.prototypes, type, placement.device());
  load_state(world, config, checkpoint, state);
  if (checkpoint) tell_if_not_comparable(world, *checkpoint, threads, placement.name());
  check_replicas(world, state);
  const StepSurroundings surroundings = surroundings_here(world, threads, placement.name());
  announce(config, options, places,
           (checkpoint ? "resuming after step " + std::to_string(state.step) : std::string("starting")) + " on " +
               std::to_string(world.size()) + " ranks with " + std::to_string(threads) + " threads each, " + backend +
               "; " + std::to_string(input.images) + " images, " + std::to_string(per_epoch) + " steps an epoch, " +
               std::to_string(total) + " in all, " + std::to_string(state.online.count()) + " parameters",
           {options.run, state.step, last, plan_run(config, world.size(), input.epoch_images, placement.on_gpu()),
            surroundings});

  const Schedules schedules(config.optim, config.loss, config.train, static_cast<std::int64_t>(per_epoch));
  const std::vector<Normaliser> of_sets = normalisers(input);
  const std::unique_ptr<BatchSource> batches = make_batches(input, config, world, state.step, placement.device());
  std::unique_ptr<Steps> steps;
  world.agree([&] {
    steps = placement.make_steps(
        {state, config, placement.of_state(), schedules, *batches, of_sets, world.rank(), &sections});
  });
  steps->buckets().compare_over_ranks();
  BadSamples bad(world, config.data.max_bad, per_epoch * static_cast<std::uint64_t>(config.train.global_batch));
  Stragglers stragglers(world.gather(world.host()));
  std::optional<RunReports> reports;
  if (world.rank() == 0) reports.emplace(options.run, config, StepsOfLife{state.step, last, total});

  TrainResult result;
  const auto restored = checkpoint ? std::optional(state.step) : std::nullopt;
  Saver saver(world, sections, config, state,
              {options.run, input.fingerprint, per_epoch, restored, surroundings, [&lease] { lease.require(); }});
  BundleFacts run_facts = bundle_facts(config, threads, placement.name(), input.fingerprint);
  Requests requests(world, {.run = options.run,
                            .every_minutes = config.checkpoint.every_minutes,
                            .max_seconds = options.max_seconds,
                            .job_end = config.runtime.job_end,
                            .taken_over = [&lease] { return lease.lost(); }});
  Profile profile(
      {options.profile_steps, options.run, [&lease] { return lease.holds(); }, state.online.values().device()},
      world.rank());
  status.run(state.step, total, saver.durable());
  const Clock::time_point start = Clock::now();
  Clock::time_point before = start;
  Evaluations evaluations(options.evaluate, per_epoch * static_cast<std::uint64_t>(config.evaluate.every_epochs),
                          total);
  const auto check_every = static_cast<std::uint64_t>(config.train.check_replicas_every);
  const auto compares_after = [&](std::uint64_t step) { return check_every > 0 && step % check_every == 0; };
  // A step begins unless the state is wanted as it is: at the end, for a checkpoint, a measurement or a comparison of
  // replicas.
  const auto may_begin = [&] {
    const std::uint64_t begun = state.step + steps->under_way();
    if (begun >= last || requests.stop() || steps->under_way() > ahead) return false;
    return steps->under_way() == 0 || !(requests.save() || bad.too_many() || saver.due_after(begun) ||
                                        compares_after(begun) || evaluations.due_after(begun));
  };
  while (steps->under_way() > 0 || may_begin()) {
    if (may_begin()) {
      profile.begin_step(state.step + steps->under_way() + 1);
      steps->begin();
      continue;
    }
    DoneStep done = steps->finish();
    const std::uint64_t number = done.report.finite ? state.step : state.step + 1;
    if (options.on_batch) options.on_batch(number, done.batch);
    bad.report(done.batch);
    if (!done.report.finite) {
      lease.agree(world);
      run_facts.checkpoint = saver.durable();
      const StepBundle bundle = make_bundle(world, run_facts, number, input, done.batch, state, done.report);
      skip_or_end(world, config.train, options.run, bundle, state, [&] {
        if (state.step > 0) saver.save();
        status.at_step(state.step, saver.durable());
      });
    }
    inject_into_state(state, world.rank());

    const RankFacts mine{done.batch.wait_seconds, done.batch.bad.size(),
                         requests.poll(saver.save_seconds() + evaluations.seconds_after(state.step + 1)), saver.ready(),
                         sections.take_times()};
    sections.enter(Section::reduce);
    StepMetrics metrics = gather_metrics(done.report, mine, communicator);
    if (stop_wish_of(metrics.wishes.stop).cause == StopCause::taken_over) lease.agree(world);
    requests.decide(metrics.wishes);
    sections.enter(Section::update);
    stragglers.add(metrics.rank_times);
    bad.count(done.batch.epoch, metrics.bad_samples);
    metrics.step = state.step;
    metrics.epoch = done.batch.epoch;
    metrics.time = unix_time();
    metrics.schedule = done.schedule;
    metrics.skipped = !done.report.finite;
    metrics.images_per_second = config.train.global_batch / seconds_since(before);
    steps->recycle(std::move(done.batch));
    result.last_loss = metrics.loss.loss;
    if (reports && world.size() > 1 && reports->due(state.step)) metrics.ranks = stragglers.take();
    const bool state_is_here = steps->under_way() == 0;
    if (state_is_here && compares_after(state.step) && !inject("skip-replica-check", state.step, world.rank())) {
      saver.check_replicas();
    }
    saver.advance(metrics.savers_ready);
    if (state_is_here && evaluations.due_after(state.step)) {
      if (requests.stop() || bad.too_many()) {
        evaluations.leave_out(state.step);
      } else {
        metrics.evaluation = evaluations.run(state.step, metrics.epoch + 1, state, sections);
        saver.measured(metrics.evaluation->top1);
      }
    }
    if (state_is_here) {
      if (state.step == last || requests.stop() || bad.too_many()) {
        saver.save();
      } else if (saver.due_after(state.step) || requests.save()) {
        saver.begin();
        requests.saved();
      }
    }
    life.saved(saver.durable());
    status.at_step(state.step, saver.durable());
    metrics.checkpoint = saver.take_report();
    if (reports && lease.holds()) reports->add(done.report.h, metrics);
    if (bad.too_many() && state_is_here) bad.end_run();
    before = Clock::now();
  }
  reports.reset();
  profile.end();
  saver.save();  // Of a life without a step.
  life.saved(saver.durable());
  steps.reset();
  placement.shutdown();

  if (state.step < last) result.stopped = requests.stop_wish();
  status.end(state.step, saver.durable(), to_text(result.stopped));

  result.bad_samples = bad.total();
  result.skipped = state.skipped;
  result.step = state.step;
  result.total_steps = total;
  result.images_seen = state.step * static_cast<std::uint64_t>(config.train.global_batch);
  const double images =
      static_cast<double>((state.step - first) * static_cast<std::uint64_t>(config.train.global_batch));
  result.images_per_second = images / std::max(1e-9, seconds_since(start));
  result.checkpoint = checkpoints_folder(options.run) / step_name(state.step);
  return result;
}

}  // namespace

TrainResult train(const World& world, const Config& config, const TrainOptions& options) {
  check_stop_file(world, options.run);
  Watchdog watchdog(world, {.limit = Seconds(config.runtime.watchdog),
                            .folder = options.run / "flight",
                            .copies_data = !config.data.staging.empty()});
  const TrainingInput input = open_input_of_run(world, config, options.gpu.has_value());
  make_run_folder(world, options.run);
  RunRecords records(world, options.run, [&] { watchdog.sections().touch(); });
  const RunMemory memory(world, config, options.gpu ? &*options.gpu : nullptr);
  try {
    const TrainResult result = run_training(world, config, options, watchdog.sections(), input, records);
    const std::string stopped_by = to_text(result.stopped);
    records.life.ended(stopped_by.empty() ? ExitCode::done : ExitCode::stopped, stopped_by);
    return result;
  } catch (...) {
    const std::exception_ptr failure = memory.explained(std::current_exception());
    const Error error = to_error(failure);
    records.life.ended(error.code(), error.what());
    records.status.failed(failure);
    std::rethrow_exception(failure);
  }
}

}  // namespace msn
