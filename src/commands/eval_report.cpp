// SPDX-License-Identifier: Apache-2.0
#include "commands/eval_report.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/error.hpp"
#include "data/text_list.hpp"

namespace msn {
namespace {

constexpr std::int32_t kFive = 5;

/// Of five classes or fewer the own one is always among the first five.
bool has_top5(const ClassificationTask& task) {
  return task.classes.size() > static_cast<std::size_t>(kFive);
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 100 * share);
  return text;
}

std::string percent(const MeanAndDeviation& shares) {
  return percent(shares.mean) + " ± " + percent(shares.deviation);
}

std::string label_name(const Split& split) {
  return split.name.empty() ? "all" : one_line(std::filesystem::path(split.name).filename().string());
}

/// Characters, not bytes.
std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// Rows of as many cells, in columns as wide as they need; the first two to the left, the others to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - columns_of(row[i]), ' ');
      line += "  " + (i < 2 ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

/// Test images of each class and the share that was taken for it, over all splits.
struct ClassScore {
  std::uint64_t images = 0;
  double accuracy = 0;
};
std::vector<ClassScore> class_scores(const ClassificationTask& task, const SettingResult& result) {
  const std::size_t classes = task.classes.size();
  std::vector<ClassScore> scores(classes);
  for (std::size_t own = 0; own < classes; ++own) {
    std::uint64_t judged = 0;
    for (std::size_t taken = 0; taken < classes; ++taken)
      judged += result.confusion[own * classes + taken];
    scores[own].images = judged / task.splits.size();
    if (judged > 0) {
      scores[own].accuracy = static_cast<double>(result.confusion[own * classes + own]) / static_cast<double>(judged);
    }
  }
  return scores;
}

}  // namespace

std::vector<SettingResult> summarise(const ClassificationTask& task, std::vector<EvalOutcome> outcomes) {
  const std::size_t splits = task.splits.size();
  MSN_CHECK(!outcomes.empty() && outcomes.size() % splits == 0);
  std::vector<SettingResult> results;
  for (std::size_t first = 0; first < outcomes.size(); first += splits) {
    SettingResult& result = results.emplace_back();
    std::vector<double> top1, top5;
    result.confusion.resize(task.classes.size() * task.classes.size());
    for (std::size_t i = first; i < first + splits; ++i) {
      MSN_CHECK(outcomes[i].setting == outcomes[first].setting);
      const Predictions& predictions = outcomes[i].predictions;
      top1.push_back(accuracy(predictions));
      top5.push_back(accuracy(predictions, kFive));
      const auto counts = confusion_matrix(predictions, task.test.labels, task.classes.size());
      std::transform(counts.begin(), counts.end(), result.confusion.begin(), result.confusion.begin(), std::plus<>());
    }
    result.top1 = mean_and_deviation(top1);
    result.top5 = mean_and_deviation(top5);
    for (std::size_t i = first; i < first + splits; ++i)
      result.outcomes.push_back(std::move(outcomes[i]));
  }
  return results;
}

std::string to_table(const ClassificationTask& task, const std::vector<SettingResult>& results, PerClass per_class) {
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](std::vector<std::string> row, const std::string& top5) {
    if (has_top5(task)) row.push_back(top5);
    rows.push_back(std::move(row));
  };
  add({"setting", "labels", "train images", "top-1, %"}, "top-5, %");
  for (const SettingResult& result : results) {
    for (std::size_t i = 0; i < task.splits.size(); ++i) {
      const EvalOutcome& outcome = result.outcomes[i];
      add({outcome.setting, label_name(task.splits[i]), std::to_string(task.splits[i].rows.size()),
           percent(accuracy(outcome.predictions))},
          percent(accuracy(outcome.predictions, kFive)));
    }
    if (task.splits.size() > 1) {
      add({result.outcomes.front().setting, "mean of " + std::to_string(task.splits.size()), "", percent(result.top1)},
          percent(result.top5));
    }
  }
  std::string text = aligned(rows);
  if (per_class == PerClass::left_out) return text;
  for (const SettingResult& result : results) {
    text += "\n";
    const std::vector<ClassScore> scores = class_scores(task, result);
    std::vector<std::vector<std::string>> lines{{"setting", "class", "test images", "right, %"}};
    for (std::size_t c = 0; c < scores.size(); ++c) {
      lines.push_back({result.outcomes.front().setting, one_line(task.classes[c]), std::to_string(scores[c].images),
                       scores[c].images == 0 ? "-" : percent(scores[c].accuracy)});
    }
    text += aligned(lines);
  }
  return text;
}

nlohmann::ordered_json to_json(const ClassificationTask& task, const std::vector<SettingResult>& results,
                               PerClass per_class) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const SettingResult& result : results) {
    nlohmann::ordered_json line = result.outcomes.front().facts;
    line["top1"] = result.top1.mean;
    if (task.splits.size() > 1) line["top1_deviation"] = result.top1.deviation;
    if (has_top5(task)) line["top5"] = result.top5.mean;
    if (has_top5(task) && task.splits.size() > 1) line["top5_deviation"] = result.top5.deviation;
    line["splits"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < task.splits.size(); ++i) {
      const EvalOutcome& outcome = result.outcomes[i];
      nlohmann::ordered_json split;
      if (!task.splits[i].name.empty()) split["labels"] = task.splits[i].name;
      split["train_images"] = task.splits[i].rows.size();
      split["top1"] = accuracy(outcome.predictions);
      if (has_top5(task)) split["top5"] = accuracy(outcome.predictions, kFive);
      if (outcome.details.is_object()) split.update(outcome.details);
      line["splits"].push_back(std::move(split));
    }
    if (per_class == PerClass::told) {
      line["per_class"] = nlohmann::ordered_json::array();
      const std::vector<ClassScore> scores = class_scores(task, result);
      for (std::size_t c = 0; c < scores.size(); ++c) {
        nlohmann::ordered_json one = {{"class", task.classes[c]}, {"images", scores[c].images}, {"accuracy", nullptr}};
        if (scores[c].images > 0) one["accuracy"] = scores[c].accuracy;
        line["per_class"].push_back(std::move(one));
      }
    }
    list.push_back(std::move(line));
  }
  return list;
}

std::string confusion_text(const ClassificationTask& task, const SettingResult& result) {
  const std::size_t classes = task.classes.size();
  std::string text = "class";
  for (const std::string& name : task.classes)
    text += "," + list_field(name);
  text += "\n";
  for (std::size_t own = 0; own < classes; ++own) {
    text += list_field(task.classes[own]);
    for (std::size_t taken = 0; taken < classes; ++taken)
      text += "," + std::to_string(result.confusion[own * classes + taken]);
    text += "\n";
  }
  return text;
}

}  // namespace msn
