// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/devices.hpp"
#include "comm/watchdog.hpp"
#include "data/sampler.hpp"
#include "kernels/device/space.hpp"
#include "train/gemm_setup.hpp"
#include "train/input.hpp"
#include "train/placement.hpp"
#include "train/plan.hpp"
#include "train/replicas.hpp"
#include "train/run_loop.hpp"
#include "train/run_memory.hpp"
#include "train/run_records.hpp"
#include "train/run_reports.hpp"
#include "train/setup.hpp"
#include "train/start_table.hpp"
#include "train/state.hpp"
#include "train/surroundings.hpp"
#include "train/threads.hpp"
#include "train/views_on.hpp"

namespace msn {

namespace {

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

/// How many steps there are, and which of them are this life's.
StepsOfLife steps_of_life(const Config& config, const TrainOptions& options, std::uint64_t per_epoch,
                          std::uint64_t completed) {
  const std::uint64_t total = per_epoch * static_cast<std::uint64_t>(config.train.epochs);
  return {completed, std::min(total, options.max_steps.value_or(total)), total};
}

TrainResult run_training(const World& world, const Config& config, const TrainOptions& options, Sections& sections,
                         const TrainingInput& input, RunRecords& records) {
  check_run_folder(world, options.run);
  const auto checkpoint = open_run(world, options.run, config, input.fingerprint, options.resume);
  world.agree([&] {
    check_precision(config, options.gpu ? at::kCUDA : at::kCPU);
    views_made(config.runtime.views_on, options.gpu.has_value(), kernels::device::computes_on_gpu());
  });
  records.status.begin();
  Placement placement(world, options.gpu);
  const int threads = set_up_threads(world, config.runtime.threads);
  const GemmSetup gemm = set_up_gemm_of_run(world, config, checkpoint);
  const MpiCommunicator& communicator = placement.of_host();
  sections.measure_waits_by(
      [&] { return communicator.wait_seconds() + world.recorder().seconds_inside(Channel::world); });
  const std::string backend = placement.description() + ", " + name_of(config.train.precision);
  const std::vector<RankPlace> places =
      gather_places(world, placement.gpu(), thread_counts(world, config, communicator, threads));
  const std::uint64_t completed = completed_steps(world, checkpoint);
  records.life.begin(config, {threads, backend, placement.name(), input.fingerprint, completed, places});
  tell(gemm);

  placement.set_up(world, config);
  TrainState state(vit_shape(config.model), config.model.prototypes, scalar_type(config.train.precision),
                   placement.device());
  load_state(world, config, checkpoint, state);
  if (checkpoint) tell_if_not_comparable(world, *checkpoint, threads, placement.name());
  check_replicas(world, state);

  const std::uint64_t per_epoch = steps_per_epoch(input.epoch_images, config.train.global_batch);
  const StepsOfLife steps = steps_of_life(config, options, per_epoch, completed);
  const StepSurroundings surroundings = surroundings_here(world, threads, placement.name());
  announce(config, options, places,
           (checkpoint ? "resuming after step " + std::to_string(completed) : std::string("starting")) + " on " +
               std::to_string(world.size()) + " ranks with " + std::to_string(threads) + " threads each, " + backend +
               "; " + std::to_string(input.images) + " images, " + std::to_string(per_epoch) + " steps an epoch, " +
               std::to_string(steps.total) + " in all, " + std::to_string(state.online.count()) + " parameters",
           {options.run, completed, steps.last, plan_run(config, world.size(), input.epoch_images, placement.on_gpu()),
            surroundings});

  const TrainResult result = RunLoop({world, config, options, input, sections, records, placement, state, surroundings,
                                      steps, per_epoch, checkpoint.has_value()})
                                 .run();
  placement.shutdown();
  records.status.end(result.step, result.step, to_text(result.stopped));
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
