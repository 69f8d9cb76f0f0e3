// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/inject.hpp"
#include "base/log.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/lease.hpp"
#include "comm/devices.hpp"
#include "comm/mpi_communicator.hpp"
#include "comm/watchdog.hpp"
#include "data/sampler.hpp"
#include "train/bad_samples.hpp"
#include "train/batch_tensors.hpp"
#include "train/bundle.hpp"
#include "train/injected.hpp"
#include "train/input.hpp"
#include "train/lives.hpp"
#include "train/metrics.hpp"
#include "train/non_finite.hpp"
#include "train/plan.hpp"
#include "train/replicas.hpp"
#include "train/requests.hpp"
#include "train/saver.hpp"
#include "train/setup.hpp"
#include "train/state.hpp"
#include "train/step.hpp"
#include "train/threads.hpp"

namespace msn {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// For people, every few seconds and at the end: one line, and with several ranks one about them.
void report(const StepMetrics& metrics, std::uint64_t total_steps) {
  char line[256];
  std::snprintf(line, sizeof line,
                "step %llu/%llu  epoch %llu  loss %.4f  cross-entropy %.4f  me-max %.4f  lr %.2e  grad norm %.3f  "
                "prototypes %d  %.1f images/s  data wait %.0f ms",
                static_cast<unsigned long long>(metrics.step), static_cast<unsigned long long>(total_steps),
                static_cast<unsigned long long>(metrics.epoch), metrics.loss.loss, metrics.loss.cross_entropy,
                metrics.loss.me_max, metrics.schedule.lr, metrics.grad_norm,
                static_cast<int>(metrics.loss.prototypes_used), metrics.images_per_second,
                1e3 * metrics.data_wait_seconds);
  log::info(line);
  if (metrics.ranks) log::info(to_text(*metrics.ranks));
}

constexpr double kReportSeconds = 10;

TrainResult run_training(const World& world, const Config& config, const TrainOptions& options, Sections& sections,
                         const TrainingInput& input, RunLease& lease, Life& life) {
  const auto checkpoint = open_run(world, options.run, config, input.fingerprint, options.resume);
  if (world.rank() == 0) log::add_file(options.run / "log.txt");
  const int threads = set_up_threads(world, config.runtime.threads);
  MpiCommunicator communicator(world);
  sections.measure_waits_by(
      [&] { return communicator.wait_seconds() + world.recorder().seconds_inside(Channel::world); });
  const std::uint64_t per_epoch = steps_per_epoch(input.epoch_images, config.train.global_batch);
  const std::uint64_t total = per_epoch * static_cast<std::uint64_t>(config.train.epochs);
  const std::uint64_t last = std::min(total, options.max_steps.value_or(total));
  const at::ScalarType type = scalar_type(config.train.precision);

  const std::string backend = "cpu, MPI (" + communicator.description() + "), " +
                              std::string(type == at::kFloat ? "fp32 (oneDNN)" : "fp64 (BLAS)");
  const std::vector<RankPlace> places = gather_places(world, nullptr);
  const std::uint64_t first = completed_steps(world, checkpoint);
  life.begin(config, {threads, backend, input.fingerprint, first, places});
  TrainState state(vit_shape(config.model), config.model.prototypes, type);
  load_state(world, config, checkpoint, state);
  check_replicas(world, state);
  for (const std::string& line : place_table(places))
    log::info(line);
  log::info((checkpoint ? "resuming after step " + std::to_string(state.step) : std::string("starting")) + " on " +
            std::to_string(world.size()) + " ranks with " + std::to_string(threads) + " threads each, " + backend +
            "; " + std::to_string(input.images) + " images, " + std::to_string(per_epoch) + " steps an epoch, " +
            std::to_string(total) + " in all, " + std::to_string(state.online.count()) + " parameters");

  for (const std::string& warning : dropped_pixels(config))
    log::warn(warning);

  const Schedules schedules(config.optim, config.loss, config.train, static_cast<std::int64_t>(per_epoch));
  std::optional<Stepper> stepper;
  world.agree([&] { stepper.emplace(state, config, communicator, &sections); });
  stepper->buckets().compare_over_ranks();
  const std::unique_ptr<BatchSource> batches = make_batches(input, config, world, state.step);
  BadSamples bad(world, config.data.max_bad, per_epoch * static_cast<std::uint64_t>(config.train.global_batch));
  Stragglers stragglers(world.gather(world.host()));
  std::unique_ptr<MetricsFile> metrics_file;
  if (world.rank() == 0) metrics_file = std::make_unique<MetricsFile>(options.run / "metrics.jsonl", state.step);

  TrainResult result;
  const auto restored = checkpoint ? std::optional(state.step) : std::nullopt;
  Saver saver(world, sections, config, state, {options.run, input.fingerprint, per_epoch, restored});
  BundleFacts run_facts = bundle_facts(config, threads, input.fingerprint);
  const Requests requests(options.max_seconds);
  const Clock::time_point start = Clock::now();
  Clock::time_point reported = start;
  while (state.step < last && !result.stopped) {
    const Clock::time_point step_start = Clock::now();
    sections.begin_step(state.step + 1);
    if (inject("step", state.step, world.rank())) state.online.values().narrow(0, 0, 1).add_(1);
    Batch batch = batches->next();
    bad.report(batch);
    const ScheduleValues schedule = schedules.at(static_cast<std::int64_t>(state.step));
    const StepReport step = stepper->run(make_step_input(batch, config, type), schedule);
    if (!step.finite) {
      lease.agree(world);
      run_facts.checkpoint = saver.durable();
      const StepBundle bundle = make_bundle(world, run_facts, state.step + 1, input, batch, state, step);
      skip_or_end(world, config.train, options.run, bundle, state, [&] {
        if (state.step > 0) saver.save();
      });
    }
    inject_into_state(state, world.rank());

    Wishes wishes = requests.poll();
    if (lease.lost()) wishes.stop = StopCause::taken_over;
    const RankFacts mine{batch.wait_seconds, batch.bad.size(), wishes, sections.take_times()};
    sections.enter(Section::reduce);
    StepMetrics metrics = gather_metrics(step, mine, communicator);
    if (metrics.wishes.stop == StopCause::taken_over) lease.agree(world);
    sections.enter(Section::update);
    stragglers.add(metrics.rank_times);
    bad.count(batch.epoch, metrics.bad_samples);
    metrics.step = state.step;
    metrics.epoch = batch.epoch;
    metrics.schedule = schedule;
    metrics.skipped = !step.finite;
    metrics.images_per_second = config.train.global_batch / seconds_since(step_start);
    batches->recycle(std::move(batch));
    result.last_loss = metrics.loss.loss;
    result.stopped = metrics.wishes.stop != StopCause::none && state.step < last;
    const bool report_now = seconds_since(reported) >= kReportSeconds || state.step == last;
    if (report_now && world.size() > 1) metrics.ranks = stragglers.take();
    if (metrics_file && lease.holds()) metrics_file->write(metrics);
    if (report_now) {
      if (lease.holds()) report(metrics, total);
      reported = Clock::now();
    }
    const auto check_every = static_cast<std::uint64_t>(config.train.check_replicas_every);
    if (check_every > 0 && state.step % check_every == 0 && !inject("skip-replica-check", state.step, world.rank())) {
      check_replicas(world, state);
    }
    if (saver.due() || result.stopped || bad.too_many()) saver.save();
    life.saved(saver.durable());
    if (bad.too_many()) bad.end_run();
  }
  saver.save();
  life.saved(saver.durable());
  communicator.shutdown();

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
  Watchdog watchdog(world, {.limit = Seconds(config.runtime.watchdog),
                            .folder = options.run / "flight",
                            .copies_data = !config.data.staging.empty()});
  const TrainingInput input = open_input_of_run(world, config);
  make_run_folder(world, options.run);
  // From here until its end the folder is this job's alone.
  RunLease lease(world, options.run, [&] { watchdog.sections().touch(); });
  Life life(world, options.run, lease);
  try {
    const TrainResult result = run_training(world, config, options, watchdog.sections(), input, lease, life);
    life.ended(result.stopped ? ExitCode::stopped : ExitCode::done, "");
    return result;
  } catch (...) {
    const Error error = to_error(std::current_exception());
    life.ended(error.code(), error.what());
    throw;
  }
}

}  // namespace msn
