// SPDX-License-Identifier: Apache-2.0
#include "commands/verify.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "base/seconds_since.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"
#include "comm/world.hpp"
#include "commands/path_kind.hpp"
#include "data/verify.hpp"
#include "data/workers.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::size_t most_lines = 100;  ///< Problems that are printed; the others are counted.

struct Arguments {
  fs::path path;
  bool decode = false;
  bool json = false;
};

/// What was looked at, in words and numbers, and what is wrong with it.
struct Findings {
  std::string text;
  nlohmann::ordered_json facts;
  Problems problems{most_lines};
  std::vector<std::string> notes;  ///< Worth knowing, and nothing wrong.
  std::size_t count = 1;           ///< Checkpoints.
  std::string remedy;
};

/// Between ranks: every check of one rank, as bytes.
std::string pack_checks(const std::vector<ShardCheck>& checks) {
  json all = json::array();
  for (const ShardCheck& check : checks) {
    all.push_back({{"lines", check.problems.lines()},
                   {"count", check.problems.count()},
                   {"whole", check.whole},
                   {"hashes", check.hashes},
                   {"bytes", check.bytes}});
  }
  std::string packed;
  json::to_cbor(all, nlohmann::detail::output_adapter<char>(packed));
  return packed;
}

std::vector<ShardCheck> unpack_checks(const std::string& packed) {
  std::vector<ShardCheck> checks;
  for (const json& one : json::from_cbor(packed)) {
    ShardCheck& check = checks.emplace_back(ShardCheck{Problems(most_lines), one.at("whole").get<bool>(),
                                                       one.at("hashes").get<std::vector<Hash128>>(),
                                                       one.at("bytes").get<std::uint64_t>()});
    for (const json& line : one.at("lines"))
      check.problems.add(line.get<std::string>());
    check.problems.add_unnamed(one.at("count").get<std::uint64_t>() - one.at("lines").size());
  }
  return checks;
}

/// Shard s is looked at by rank s modulo the number of ranks. All checks, in the order of the shards.
std::vector<ShardCheck> check_shards(const World& world, const fs::path& folder, const DataSetManifest& manifest,
                                     VerifyDepth depth) {
  const auto ranks = static_cast<std::size_t>(world.size());
  std::vector<ShardEntry> my_shards;
  std::uint64_t total = 0, before = 0;
  for (auto s = static_cast<std::size_t>(world.rank()); s < manifest.shards.size(); s += ranks) {
    my_shards.push_back(manifest.shards[s]);
    total += manifest.shards[s].count;
  }
  std::vector<ShardCheck> mine;
  world.agree([&] {
    VerifyOptions options;
    options.depth = depth;
    options.workers = allowed_cores();
    options.limit = most_lines;
    std::optional<Progress> progress;
    if (world.rank() == 0) {  // Of its own share, which stands for the others'.
      progress.emplace("checking", "images");
      options.progress = [&](std::uint64_t images) { progress->update(before + images, total); };
    }
    for (const ShardEntry& entry : my_shards) {
      mine.push_back(check_shard(folder, entry, manifest.classes.size(), options));
      before += entry.count;
    }
  });
  if (ranks == 1) return mine;
  std::vector<std::vector<ShardCheck>> of_ranks;
  for (const std::string& packed : world.gather(pack_checks(mine)))
    of_ranks.push_back(unpack_checks(packed));
  std::vector<ShardCheck> checks;
  for (std::size_t s = 0; s < manifest.shards.size(); ++s)
    checks.push_back(std::move(of_ranks[s % ranks][s / ranks]));
  return checks;
}

Findings verify_dataset(const World& world, const Arguments& arguments) {
  DataSetManifest manifest;
  world.agree([&] { manifest = read_dataset_manifest(arguments.path); });
  const std::vector<ShardCheck> checks =
      check_shards(world, arguments.path, manifest, arguments.decode ? VerifyDepth::pixels : VerifyDepth::bytes);
  Findings findings;
  std::uint64_t bytes = 0;
  for (const ShardCheck& check : checks) {
    findings.problems.append(check.problems);
    bytes += check.bytes;
  }
  world.agree([&] {
    if (world.rank() == 0) findings.problems.append(check_whole(arguments.path, manifest, checks));
  });
  findings.facts = {{"kind", "data set"},
                    {"images", manifest.count},
                    {"shards", manifest.shards.size()},
                    {"bytes", bytes},
                    {"decoded", arguments.decode}};
  findings.text = std::to_string(manifest.count) + " images in " + std::to_string(manifest.shards.size()) +
                  " shards, " + std::to_string(bytes) + " bytes" + (arguments.decode ? ", every image decoded" : "");
  findings.remedy = "copy the shards that are named again, or delete the data set and pack the images again";
  return findings;
}

/// Whether the folder is a checkpoint of the step that its name says, as every one of a run is.
std::string wrong_step(const Candidate& candidate) {
  try {
    const std::uint64_t step = read_manifest_alone(candidate.folder).facts.step;
    if (step != candidate.step)
      return candidate.folder.string() + ": its manifest says that it is of step " + std::to_string(step);
  } catch (const Error&) {
    // That is a problem already.
  }
  return {};
}

void verify_one_checkpoint(const fs::path& folder, Findings& findings) {
  const DamageReport report = find_damage(folder);
  for (const std::string& line : report.damage)
    findings.problems.add(line);
  for (const fs::path& file : report.unknown)
    findings.notes.push_back(file.string() + ": no part of the checkpoint; it is ignored");
}

/// A pin may also wait for a checkpoint that is to come.
void note_pins(const fs::path& run, const std::vector<Candidate>& candidates, Findings& findings) {
  std::error_code error;
  for (fs::directory_iterator entry(run / "pins", error), end; !error && entry != end; entry.increment(error)) {
    const auto step = step_of_name(entry->path().filename().string());
    const bool is_there = step && std::any_of(candidates.begin(), candidates.end(),
                                              [&](const Candidate& candidate) { return candidate.step == step; });
    if (is_there) continue;
    findings.notes.push_back(entry->path().string() +
                             (step ? ": pins a checkpoint that is not there" : ": pins nothing: no checkpoint's name"));
  }
}

void verify_run(const fs::path& run, Findings& findings) {
  const std::vector<Candidate> candidates = list_checkpoints(run);
  for (const Candidate& candidate : candidates) {
    verify_one_checkpoint(candidate.folder, findings);
    if (const std::string problem = wrong_step(candidate); !problem.empty()) findings.problems.add(problem);
  }
  std::string problem;
  const auto latest = read_latest(run, &problem);
  const bool is_there = std::any_of(candidates.begin(), candidates.end(),
                                    [&](const Candidate& candidate) { return candidate.step == latest; });
  if (latest && !is_there) {
    problem =
        (checkpoints_folder(run) / "latest").string() + ": it names " + step_name(*latest) + ", which is not there";
  }
  if (!problem.empty()) findings.problems.add(problem);
  for (const Stranger& stranger : list_strangers(run))
    findings.problems.add(stranger.path.string() + ": " + stranger.what);
  for (const std::string& name : list_aside(run))
    findings.notes.push_back((checkpoints_folder(run) / name).string() + ": was set aside; no run looks at it");
  note_pins(run, candidates, findings);
  findings.count = candidates.size();
}

Findings verify_checkpoints(const Arguments& arguments, PathKind kind) {
  Findings findings;
  if (kind == PathKind::checkpoint) {
    verify_one_checkpoint(arguments.path, findings);
  } else {
    verify_run(arguments.path, findings);
  }
  findings.facts = {{"kind", kind == PathKind::run ? "run" : "checkpoint"}, {"checkpoints", findings.count}};
  findings.text = std::to_string(findings.count) + (findings.count == 1 ? " checkpoint" : " checkpoints");
  findings.remedy =
      "training sets damaged checkpoints aside and goes on from an older one; restore them from a copy, or delete them";
  return findings;
}

void report(const Arguments& arguments, Findings findings, double seconds) {
  const Problems& problems = findings.problems;
  for (const std::string& line : problems.lines())
    std::printf("problem: %s\n", one_line(line).c_str());
  if (problems.count() > problems.lines().size()) {
    std::printf("... and %llu more problems\n",
                static_cast<unsigned long long>(problems.count() - problems.lines().size()));
  }
  for (const std::string& note : findings.notes)
    std::printf("note: %s\n", one_line(note).c_str());
  std::printf("%s: %s: %s, %.1f s\n", one_line(arguments.path.string()).c_str(), findings.text.c_str(),
              problems.count() == 0 ? "no problem found" : "damaged", seconds);
  if (arguments.json) {
    findings.facts["path"] = arguments.path.string();
    findings.facts["problem_count"] = problems.count();
    findings.facts["problems"] = problems.lines();
    findings.facts["notes"] = findings.notes;
    findings.facts["seconds"] = seconds;
    std::printf("%s\n", findings.facts.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  }
  std::fflush(stdout);
}

void run(const World& world, const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  const auto kind = static_cast<PathKind>(
      std::stoi(world.on_root([&] { return std::to_string(static_cast<int>(path_kind(arguments.path))); })));
  if (arguments.decode && kind != PathKind::data_set) {
    throw AgreedError(usage_error("--decode is for data sets", arguments.path.string(), "leave it out"));
  }
  Findings findings;
  if (kind == PathKind::data_set) {
    findings = verify_dataset(world, arguments);
  } else {
    world.agree([&] {
      if (world.rank() == 0) findings = verify_checkpoints(arguments, kind);
    });
  }
  const std::uint64_t count = world.max(findings.problems.count());  // Rank 0 knows all.
  if (world.rank() == 0) {
    const double seconds = seconds_since(start);
    report(arguments, findings, seconds);
  }
  if (count > 0) {
    throw AgreedError(data_error(std::to_string(count) + (count == 1 ? " problem found" : " problems found"),
                                 arguments.path.string(), findings.remedy));
  }
}

}  // namespace

Command make_verify_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app =
      parent.add_subcommand("verify", "Read a data set, a checkpoint or a run's checkpoints and find damage");
  app->add_option("PATH", arguments->path, "Folder of a data set, a checkpoint or a run")->required();
  app->add_flag("--decode", arguments->decode, "Also decode every image of a data set and compare its size");
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Compares sizes, hashes and checksums of files and images with what their index says, and the index with the\n"
      "images. Of a checkpoint it names the damaged file and, where that can be told, the tensor. Every problem is a\n"
      "line; exit code 0: there is none, 74: there are some. What is no problem but worth knowing is a note.\n"
      "Example:\n"
      "  msn verify data/photos --decode\n"
      "  mpirun -n 4 msn verify data/imagenet-train\n"
      "  msn verify runs/first");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
