// SPDX-License-Identifier: Apache-2.0
#include "train/replay.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "data/sampler.hpp"
#include "train/gemm_setup.hpp"
#include "train/non_finite.hpp"
#include "train/placement.hpp"
#include "train/setup.hpp"
#include "train/threads.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// Rank 0's file decides for all ranks.
StepBundle read_bundle(const World& world, const fs::path& file) {
  constexpr std::size_t most_bytes = std::size_t{64} << 20;
  const std::string text = world.on_root([&] { return read_text(file, most_bytes); });
  StepBundle bundle;
  world.agree([&] { bundle = parse_bundle(text, file.string()); });
  return bundle;
}

void check_same_run(const StepBundle& bundle, const Config& config, const std::string& where) {
  if (bundle.config_digest != config_digest(config)) {
    throw config_error("the bundle is of a run with another configuration", where,
                       "give the config.toml of its run folder, and the --set that the run had since");
  }
}

void check_same_data(const StepBundle& bundle, const std::string& data_fingerprint, std::uint64_t per_epoch,
                     const std::string& where) {
  if (bundle.data_fingerprint != data_fingerprint) {
    throw config_error("the bundle is of a run on another data set", where,
                       "give the same packed data set (its fingerprint stands in dataset.json)");
  }
  const std::uint64_t before = bundle.step - 1;
  if (bundle.epoch != before / per_epoch || bundle.position != before % per_epoch * bundle.global_batch) {
    throw data_error("its step, epoch and position do not fit together", where, "it is damaged; use another one");
  }
}

std::optional<fs::path> find_start(const World& world, const fs::path& run, const StepBundle& bundle) {
  const std::string found = world.on_root([&]() -> std::string {
    if (!fs::is_directory(run)) throw data_error("there is no such run folder", run.string(), "give the run's --run");
    const std::optional<fs::path> checkpoint = find_newest_checkpoint(run, bundle.step - 1);
    if (!checkpoint) return "";
    if (read_manifest(*checkpoint).facts.config_digest != bundle.config_digest)
      log::warn("the checkpoint was written under another configuration (" + checkpoint->string() + ")");
    return checkpoint->string();
  });
  return found.empty() ? std::nullopt : std::optional<fs::path>(found);
}

/// How exactly the step can come out again, and if not to the bit, why.
std::pair<Match, std::string> expected_match(const StepSurroundings& before, const StepSurroundings& here) {
  const auto change = [](const std::string& what, const std::string& was, const std::string& is) {
    return was == is ? std::string() : "it had " + was + " " + what + ", here are " + is;
  };
  if (before.world_size != here.world_size)
    return {Match::other_ranks, change("ranks", std::to_string(before.world_size), std::to_string(here.world_size))};
  const std::string why = why_not_bits(before, here);
  if (why.empty()) return {Match::bits, ""};
  if (before.threads != here.threads)
    return {Match::to_rounding, change("threads a rank", std::to_string(before.threads), std::to_string(here.threads))};
  return {Match::to_rounding, why};
}

constexpr double kReportSeconds = 10;

}  // namespace

ReplayResult replay(const World& world, const Config& config, const ReplayOptions& options) {
  ReplayResult result;
  result.recorded = read_bundle(world, options.bundle);
  const StepBundle& recorded = result.recorded;
  const std::string where = options.bundle.string();
  world.agree([&] { check_same_run(recorded, config, where); });
  const TrainingInput input = open_input_of_run(world, config, options.gpu.has_value());
  const std::uint64_t per_epoch = steps_per_epoch(input.epoch_images, config.train.global_batch);
  world.agree([&] { check_same_data(recorded, input.fingerprint, per_epoch, where); });
  const auto checkpoint = find_start(world, options.run, recorded);
  Placement placement(world, options.gpu);
  const int threads = set_up_threads(world, config.runtime.threads);
  tell(set_up_gemm(world, config.runtime.gemm, recorded.surroundings));
  placement.set_up(world, config);
  std::tie(result.match, result.why_not_bits) =
      expected_match(recorded.surroundings, surroundings_here(world, threads, placement.name()));

  const at::ScalarType type = scalar_type(config.train.precision);
  TrainState state(vit_shape(config.model), config.model.prototypes, type, placement.device());
  load_state(world, config, checkpoint, state);
  result.first_step = state.step;
  log::info("running steps " + std::to_string(state.step + 1) + " to " + std::to_string(recorded.step) +
            " again, from " + (checkpoint ? checkpoint->string() : "the beginning"));
  const Schedules schedules(config.optim, config.loss, config.train, static_cast<std::int64_t>(per_epoch));
  const std::vector<Normaliser> of_sets = normalisers(input);
  const std::unique_ptr<BatchSource> batches = make_batches(input, config, world, state.step, placement.device());
  std::unique_ptr<Steps> steps;
  world.agree([&] {
    check_precision(config, placement.device());
    steps = placement.make_steps({state, config, placement.of_state(), schedules, *batches, of_sets, world.rank()});
  });
  steps->buckets().compare_over_ranks();

  const BundleFacts facts = bundle_facts(config, threads, placement.name(), input.fingerprint);
  auto reported = std::chrono::steady_clock::now();
  for (;;) {
    const std::uint64_t number = state.step + 1;
    steps->begin();
    DoneStep done = steps->finish();
    if (number == recorded.step) {
      result.replayed = make_bundle(world, facts, number, input, done.batch, state, done.report);
      break;
    }
    if (!done.report.finite) {
      count_skipped(state);
      log::warn("step " + std::to_string(number) + ", before that of the bundle, is not finite either");
    }
    steps->recycle(std::move(done.batch));
    if (std::chrono::steady_clock::now() - reported > std::chrono::duration<double>(kReportSeconds)) {
      log::info("step " + std::to_string(number) + " of " + std::to_string(recorded.step));
      reported = std::chrono::steady_clock::now();
    }
  }
  steps.reset();
  placement.shutdown();
  result.differences = differences(recorded, result.replayed, result.match);
  return result;
}

}  // namespace msn
