// SPDX-License-Identifier: Apache-2.0
// How the result of an evaluation is told: a table, a JSON line, a confusion matrix.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluate/score.hpp"
#include "evaluate/task.hpp"

namespace msn {

/// What one classifier, set in one way and taught by one split, says of the test images.
struct EvalOutcome {
  std::string setting;             ///< For people, "k 20".
  nlohmann::ordered_json facts;    ///< Of the setting, for programs: an object.
  Predictions predictions;         ///< Of all test images.
  nlohmann::ordered_json details;  ///< Of this outcome alone, likewise; may be null.
};

/// The outcomes of one setting, one for each split of a task, in order.
struct SettingResult {
  std::vector<EvalOutcome> outcomes;
  MeanAndDeviation top1, top5;           ///< Over the splits.
  std::vector<std::uint64_t> confusion;  ///< As confusion_matrix() has it, summed over the splits.
};

/// `outcomes` holds for each setting one outcome for each split, setting by setting.
std::vector<SettingResult> summarise(const ClassificationTask& task, std::vector<EvalOutcome> outcomes);

enum class PerClass { left_out, told };

/// The table for people: a line for each split, and with several their mean and deviation.
std::string to_table(const ClassificationTask& task, const std::vector<SettingResult>& results, PerClass per_class);

/// "results" of the JSON line.
nlohmann::ordered_json to_json(const ClassificationTask& task, const std::vector<SettingResult>& results,
                               PerClass per_class);

/// CSV: a head with the classes' names, then a line for each class: its name and how many of its images were taken for
/// each class.
std::string confusion_text(const ClassificationTask& task, const SettingResult& result);

}  // namespace msn
