// SPDX-License-Identifier: Apache-2.0
// What all classifiers of `msn eval` have in common: which network is looked at, which images are classified, and how
// the result is told. A classifier adds its own options and turns an EvalSession into outcomes (eval_knn.cpp).
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/seconds_since.hpp"
#include "comm/watchdog.hpp"
#include "comm/world.hpp"
#include "commands/eval_report.hpp"
#include "commands/subject.hpp"
#include "evaluate/task.hpp"

namespace CLI {
class App;
}

namespace msn {

struct EvalOptions {
  SubjectOptions subject;
  TaskOptions task;
  std::optional<std::filesystem::path> cache;      ///< Folder of features that were made before.
  std::optional<std::filesystem::path> confusion;  ///< CSV that gets the confusion matrix.
  bool per_class = false;
  double watchdog = 600;
  bool json = false;
};

/// Adds these options to a classifier. `tokens` are those that it takes unless others are asked for.
void add_eval_options(CLI::App& app, EvalOptions& options, const TokenChoice& tokens);
/// What the parser cannot see. For parse_complete_callback, with the number of settings of the classifier: a confusion
/// matrix tells of one. Throws usage_error.
void check_eval_options(const EvalOptions& options, std::size_t settings);

/// The command line, looked up: threads and products are set up, the network is read, the data sets are open.
class EvalSession {
 public:
  /// All ranks call; both must outlive it.
  EvalSession(const World& world, const EvalOptions& options);

  const World& world() const { return world_; }
  const EvalOptions& options() const { return options_; }
  /// Compute threads of this rank.
  int threads() const { return threads_; }
  const Subject& subject() const { return subject_; }
  const ClassificationTask& task() const { return task_; }
  /// A sign of life for the watchdog, to be given at least every few seconds.
  void touch() { watchdog_.sections().touch(); }
  /// Since it was made.
  double seconds() const { return seconds_since(start_); }

  /// Features of task().train and task().test, float32 [images, width], on every rank. All ranks call.
  at::Tensor train_features() { return features(task_.train, "train"); }
  at::Tensor test_features() { return features(task_.test, "test"); }

 private:
  at::Tensor features(const LabelledImages& images, const std::string& of);

  const World& world_;
  const EvalOptions& options_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Watchdog watchdog_;
  int threads_;
  Subject subject_;
  ClassificationTask task_;
};

/// Tells the outcomes (eval_report.hpp), with --json in one line, too; writes the confusion matrix. `classifier` is the
/// command's name; `facts` are what it says of all outcomes, an object. Rank 0 tells; all ranks call. Throws
/// AgreedError (data) if the confusion matrix cannot be written.
void report(const EvalSession& session, const std::string& classifier, const nlohmann::ordered_json& facts,
            std::vector<EvalOutcome> outcomes);

}  // namespace msn
