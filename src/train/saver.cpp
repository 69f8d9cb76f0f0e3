// SPDX-License-Identifier: Apache-2.0
#include "train/saver.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/seconds_since.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"
#include "train/replicas.hpp"
#include "train/threads.hpp"
#include "train/time_budget.hpp"

namespace msn {

namespace {

CheckpointWriterOptions writer_options(const Config& config, const SaverFacts& facts) {
  const RetentionRules rules{.keep = config.checkpoint.keep,
                             .keep_every = config.checkpoint.keep_every,
                             .keep_best = config.checkpoint.keep_best,
                             .restored_from = facts.restored};
  return {.run = facts.run,
          .writers = config.checkpoint.writers,
          .may_publish = facts.may_publish,
          .after_commit = [run = facts.run, rules] { apply_retention(run, rules); },
          .parallel_for = for_each_on_compute_threads};
}

CheckpointFacts facts_of_run(const Config& config, const SaverFacts& saver) {
  CheckpointFacts facts;
  facts.seed = config.train.seed;
  facts.global_batch = static_cast<std::uint64_t>(config.train.global_batch);
  facts.config_digest = config_digest(config);
  facts.config_toml = to_toml(config);
  facts.data_fingerprint = saver.data_fingerprint;
  record(saver.surroundings, facts);
  return facts;
}

std::uint64_t bytes_of(const std::vector<StateTensor>& state) {
  std::uint64_t bytes = 0;
  for (const StateTensor& tensor : state)
    bytes += tensor.bytes.size();
  return bytes;
}

/// Adds the time of a scope to a report.
class Held {
 public:
  explicit Held(std::optional<double>& seconds) : seconds_(seconds) {}
  ~Held() { seconds_ = seconds_.value_or(0) + seconds_since(began_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  std::optional<double>& seconds_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace

Saver::Saver(const World& world, Sections& sections, const Config& config, TrainState& state, SaverFacts facts)
    : world_(world),
      sections_(sections),
      config_(config),
      state_(state),
      host_(state),
      facts_(facts_of_run(config, facts)),
      steps_per_epoch_(facts.steps_per_epoch),
      bytes_(bytes_of(host_.tensors())),
      writer_(world, host_.tensors(), writer_options(config, facts)),
      durable_(facts.restored) {}

bool Saver::due_after(std::uint64_t step) const {
  const auto interval = static_cast<std::uint64_t>(config_.checkpoint.every_steps);
  return interval > 0 && step % interval == 0;
}

void Saver::measured(double knn_top1) {
  measured_ = Measured{state_.step, knn_top1};
  if (config_.checkpoint.keep_best > 0) begin();
}

void Saver::begin() {
  if (durable_ == state_.step || begun_ == state_.step) return;
  const InSection section(&sections_, Section::checkpoint);
  const Held held(report_.held_seconds);
  if (const auto before = writer_.finish()) conclude(*before);
  copy_and_begin();
}

void Saver::advance(bool all_ready) {
  if (const auto ended = writer_.advance(all_ready)) conclude(*ended);
}

void Saver::save() {
  if (durable_ == state_.step) return;
  const InSection section(&sections_, Section::checkpoint);
  const Held held(report_.held_seconds);
  std::optional<SaveResult> result = writer_.finish();
  if (!result || result->step != state_.step) {
    // That of an earlier step does not matter any more, if this one works.
    if (result && result->failure) warn_of(*result);
    if (result && !result->failure) conclude(*result);
    copy_and_begin();
    result = writer_.finish();
  }
  if (result->failure) {
    begun_.reset();
    throw AgreedError(*result->failure);
  }
  conclude(*result);
}

void Saver::check_replicas() {
  try {
    msn::check_replicas(world_, host_);
  } catch (const AgreedError&) {
    if (const auto ended = writer_.finish(); ended && !ended->failure) conclude(*ended);
    throw;
  }
}

double Saver::save_seconds() const {
  const double one = longest_save_ > 0 ? longest_save_ : slow_save_seconds(bytes_);
  return begun_ ? 2 * one : one;
}

SaverReport Saver::take_report() {
  return std::exchange(report_, {});
}

void Saver::copy_and_begin() {
  check_replicas();  // And brings the state to the host.
  facts_.step = state_.step;
  facts_.epoch = state_.step / steps_per_epoch_;
  facts_.samples_seen = state_.step * facts_.global_batch;
  facts_.skipped = state_.skipped;
  facts_.skipped_in_a_row = state_.skipped_in_a_row;
  facts_.knn_top1.reset();
  if (measured_ && measured_->step == state_.step) facts_.knn_top1 = measured_->knn_top1;
  writer_.begin(facts_, host_.tensors());
  begun_ = state_.step;
}

void Saver::conclude(const SaveResult& result) {
  begun_.reset();
  report_.ended = result;
  if (!result.failure) {
    failed_in_a_row_ = 0;
    longest_save_ = std::max(longest_save_, result.seconds);
    durable_ = result.step;
    log::info("checkpoint " + step_name(result.step));
    return;
  }
  const Error& why = *result.failure;
  ++failed_in_a_row_;
  if (why.code() != ExitCode::data) throw AgreedError(why);
  if (failed_in_a_row_ > config_.checkpoint.max_failed_in_a_row) {
    const std::string which =
        failed_in_a_row_ == 1 ? "a save failed" : std::to_string(failed_in_a_row_) + " saves in a row failed";
    throw AgreedError(Error(why.code(),
                            which + ", that of step " + std::to_string(result.step) + " because: " + why.problem(),
                            why.where(), why.remedy()));
  }
  warn_of(result);
}

void Saver::warn_of(const SaveResult& result) const {
  log::warn(step_name(result.step) + " is not saved: " + result.failure->what() +
            "; earlier checkpoints are as they were, training goes on");
}

}  // namespace msn
