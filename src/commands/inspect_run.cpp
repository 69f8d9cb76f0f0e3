// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect_run.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/lease_file.hpp"
#include "checkpoint/manifest.hpp"
#include "config/config.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// As the run's last life had them; a run folder of another program's making has none.
RetentionRules rules_of(const fs::path& run) {
  RetentionRules rules;
  try {
    const CheckpointConfig config = load_config(run / "config.toml").checkpoint;
    rules.keep = config.keep;
    rules.keep_every = config.keep_every;
    rules.keep_best = config.keep_best;
  } catch (const Error&) {
    // Nothing is known to stay for ever then.
  }
  return rules;
}

json describe_one(const Candidate& candidate) {
  json entry{{"step", candidate.step}, {"folder", candidate.folder.filename().string()}};
  try {
    const Manifest manifest = read_manifest(candidate.folder);
    std::uint64_t bytes = 0;
    for (const ManifestFile& file : manifest.files)
      bytes += file.size;
    entry["epoch"] = manifest.facts.epoch;
    entry["bytes"] = bytes;
    entry["world_size"] = manifest.facts.world_size;
    entry["written"] = manifest.written.time;
    if (manifest.facts.knn_top1) entry["knn_top1"] = *manifest.facts.knn_top1;
    if (manifest.facts.step != candidate.step)
      entry["problem"] = "its manifest says that it is of step " + std::to_string(manifest.facts.step);
  } catch (const Error& error) {
    entry["problem"] = error.what();
  }
  return entry;
}

std::string line_of(const json& entry) {
  std::string text = "  " + entry.at("folder").get<std::string>();
  if (entry.contains("bytes")) {
    char size[64];
    std::snprintf(size, sizeof size, "  %.1f MB", entry.at("bytes").get<double>() / 1e6);
    text += "  epoch " + entry.at("epoch").dump() + size + "  " + one_line(entry.at("written").get<std::string>());
  }
  if (entry.contains("knn_top1")) {
    char accuracy[32];
    std::snprintf(accuracy, sizeof accuracy, "  k-NN %.2f %%", 100 * entry.at("knn_top1").get<double>());
    text += accuracy;
  }
  std::string marks;
  for (const auto& [key, mark] : {std::pair{"latest", "latest"},
                                  {"pinned", "pinned"},
                                  {"kept_for_ever", "kept for ever (checkpoint.keep_every)"},
                                  {"kept_as_best", "one of the best (checkpoint.keep_best)"}}) {
    if (entry.at(key).get<bool>()) marks += (marks.empty() ? "  " : ", ") + std::string(mark);
  }
  text += marks;
  if (entry.contains("problem")) text += "  damaged: " + one_line(entry.at("problem").get<std::string>());
  return text + "\n";
}

}  // namespace

json describe_run(const fs::path& run) {
  const RetentionRules rules = rules_of(run);
  const auto latest = read_latest(run);
  json out{{"kind", "run"},
           {"path", run.string()},
           {"latest", latest ? json(*latest) : json(nullptr)},
           {"keep", rules.keep},
           {"keep_every", rules.keep_every},
           {"keep_best", rules.keep_best},
           {"checkpoints", json::array()},
           {"set_aside", list_aside(run)}};
  if (const auto lease = describe_lease(run)) out["lease"] = *lease;
  std::vector<MeasuredCheckpoint> measured;
  for (const Candidate& candidate : list_checkpoints(run)) {
    json entry = describe_one(candidate);
    entry["latest"] = candidate.step == latest;
    entry["pinned"] = is_pinned(run, candidate.step);
    entry["kept_for_ever"] = is_kept_for_ever(rules, candidate.step);
    if (entry.contains("knn_top1") && !entry.contains("problem"))
      measured.push_back({candidate.step, entry.at("knn_top1").get<double>()});
    out["checkpoints"].push_back(std::move(entry));
  }
  const std::vector<std::uint64_t> best = best_steps(std::move(measured), rules.keep_best);
  for (json& entry : out["checkpoints"]) {
    const auto step = entry.at("step").get<std::uint64_t>();
    entry["kept_as_best"] = std::find(best.begin(), best.end(), step) != best.end();
  }
  return out;
}

std::string run_text(const json& facts) {
  const json& checkpoints = facts.at("checkpoints");
  std::string text = "run " + one_line(facts.at("path").get<std::string>()) + "\n";
  if (facts.contains("lease")) text += "lease: " + one_line(facts.at("lease").get<std::string>()) + "\n";
  text += "checkpoints: " + std::to_string(checkpoints.size()) + ", newest first\n";
  for (const json& entry : checkpoints)
    text += line_of(entry);
  if (const json& aside = facts.at("set_aside"); !aside.empty()) {
    text += "set aside, damaged or left behind; no run looks at them:\n";
    for (const json& name : aside)
      text += "  " + one_line(name.get<std::string>()) + "\n";
  }
  if (facts.contains("csv")) {
    const json& csv = facts.at("csv");
    text += csv.at("steps").dump() + " steps in " + one_line(csv.at("file").get<std::string>()) + "\n";
  }
  return text;
}

}  // namespace msn
