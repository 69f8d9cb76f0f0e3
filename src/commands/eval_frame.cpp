// SPDX-License-Identifier: Apache-2.0
#include "commands/eval_frame.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "commands/output.hpp"
#include "evaluate/check_finite.hpp"
#include "evaluate/feature_cache.hpp"
#include "train/gemm_setup.hpp"
#include "train/threads.hpp"

namespace msn {

void add_eval_options(CLI::App& app, EvalOptions& options, const TokenChoice& tokens) {
  options.subject.tokens = tokens;
  add_subject_options(app, options.subject, Baselines::offered);
  app.add_option("--train", options.task.train, "Packed data set with labels: what the classifier learns from")
      ->required();
  app.add_option("--test", options.task.test, "Packed data set with labels: what is classified")->required();
  auto* stride = app.add_option("--train-stride", options.task.train_stride, "Use every n-th train image")
                     ->check(CLI::PositiveNumber)
                     ->capture_default_str();
  app.add_option("--test-stride", options.task.test_stride, "Use every n-th test image")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--labels", options.task.label_lists,
                 "Use only the train images of a label list (msn subset); several lists are several splits, whose "
                 "results are told with mean and deviation")
      ->excludes(stride)
      ->option_text("LIST...");
  app.add_option("--cache", options.cache,
                 "Folder that keeps features, for the next evaluation of the same network and images; made if needed");
  app.add_option("--confusion", options.confusion,
                 "Write the confusion matrix to this file, as CSV; replaced if it is there");
  app.add_flag("--per-class", options.per_class, "Tell the accuracy of each class, too");
  app.add_option("--watchdog", options.watchdog,
                 "End with code 124 when a rank shows no progress for six times these seconds; 0: never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--json", options.json, "Print one machine-readable line last");
}

void check_eval_options(const EvalOptions& options, std::size_t settings) {
  check_subject_options(options.subject);
  if (options.confusion && settings > 1) {
    throw usage_error("a confusion matrix tells of one setting, not of " + std::to_string(settings), "--confusion",
                      "leave it out, or give one setting");
  }
}

namespace {

int set_up(const World& world) {
  const int threads = set_up_threads(world, 0);
  tell(set_up_gemm(world, "auto"));
  return threads;
}

}  // namespace

EvalSession::EvalSession(const World& world, const EvalOptions& options)
    : world_(world),
      options_(options),
      watchdog_(world, {.limit = Seconds(options.watchdog), .setting = "--watchdog"}),
      threads_(set_up(world)),
      subject_(choose_subject(world, options.subject)),
      task_(open_task(world, options.task)) {
  watchdog_.sections().enter(Section::evaluate);
}

at::Tensor EvalSession::features(const LabelledImages& images, const std::string& of) {
  std::optional<Progress> progress;
  if (world_.rank() == 0) progress.emplace("features of " + of, "images");
  ExtractionOptions extraction;
  extraction.threads = threads_;
  extraction.progress = [&](std::uint64_t done, std::uint64_t total) {
    touch();
    // The other ranks' part is taken to be as far as rank 0's.
    if (progress) progress->update(images.samples.size() * done / total, images.samples.size());
  };
  const at::Tensor rows =
      cached_features(world_, options_.cache, *images.set, images.samples, subject_.maker, extraction);
  world_.agree([&] { check_finite(rows, images.set->folder().string()); });
  return rows;
}

void report(const EvalSession& session, const std::string& classifier, const nlohmann::ordered_json& facts,
            std::vector<EvalOutcome> outcomes) {
  const EvalOptions& options = session.options();
  const ClassificationTask& task = session.task();
  session.world().on_root([&] {
    const PerClass per_class = options.per_class ? PerClass::told : PerClass::left_out;
    const std::vector<SettingResult> results = summarise(task, std::move(outcomes));
    if (options.confusion) write_output(*options.confusion, confusion_text(task, results.front()));
    std::printf("%s of %s: %zu test images of %zu classes, %.1f s\n%s", classifier.c_str(),
                one_line(session.subject().name).c_str(), task.test.labels.size(), task.classes.size(),
                session.seconds(), to_table(task, results, per_class).c_str());
    if (options.json) {
      nlohmann::ordered_json line = {{"command", "eval " + classifier}};
      line.update(subject_facts(session.subject(), options.subject));
      line.update(facts);
      line["classes"] = task.classes.size();
      line["train_images"] = task.train.labels.size();
      line["test_images"] = task.test.labels.size();
      line["results"] = to_json(task, results, per_class);
      if (results.size() == 1) line["top1"] = results.front().top1.mean;
      line["seconds"] = session.seconds();
      std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    }
    std::fflush(stdout);
    return std::string();
  });
}

}  // namespace msn
