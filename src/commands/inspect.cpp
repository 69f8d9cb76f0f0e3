// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "checkpoint/manifest.hpp"
#include "comm/world.hpp"
#include "commands/inspect_data.hpp"
#include "commands/inspect_run.hpp"
#include "commands/path_kind.hpp"
#include "train/metrics_csv.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Options {
  std::string path;
  bool statistics = false;
  std::uint64_t sample = 0;
  std::filesystem::path csv;
  bool json = false;
};

/// One "name: value" a line; a list of objects as one object a line.
std::string plain_text(const json& facts) {
  std::string text;
  for (const auto& [name, value] : facts.items()) {
    if (value.is_array()) {
      text += name + ":\n";
      for (const auto& item : value)
        text += "  " + item.dump() + "\n";
    } else {
      text += name + ": " + (value.is_string() ? one_line(value.get<std::string>()) : value.dump()) + "\n";
    }
  }
  return text;
}

json describe(const Options& options) {
  const PathKind kind = path_kind(options.path);
  if (options.statistics && kind != PathKind::data_set) {
    throw usage_error("--statistics is for data sets", options.path, "leave it out");
  }
  if (!options.csv.empty() && kind != PathKind::run) {
    throw usage_error("--csv is for run folders", options.path, "name the folder of a run, or leave it out");
  }
  switch (kind) {
    case PathKind::checkpoint:
      return describe_checkpoint(options.path);
    case PathKind::run: {
      json facts = describe_run(options.path);
      if (!options.csv.empty())
        facts["csv"] = {{"file", options.csv.string()}, {"steps", write_metrics_csv(options.path, options.csv)}};
      return facts;
    }
    case PathKind::data_set:
      break;
  }
  json facts = describe_dataset(options.path);
  if (options.statistics) facts["statistics"] = describe_statistics(options.path, options.sample);
  return facts;
}

void inspect(World& world, const Options& options) {
  const std::string text = world.on_root([&] {
    const json facts = describe(options);
    if (options.json) return facts.dump() + "\n";
    if (facts.at("kind") == "run") return run_text(facts);
    return facts.at("kind") == "data set" ? dataset_text(facts) : plain_text(facts);
  });
  if (world.rank() == 0) std::fputs(text.c_str(), stdout);
}

}  // namespace

json describe_checkpoint(const fs::path& checkpoint) {
  const Manifest manifest = read_manifest(checkpoint);
  json out = json::parse(manifest_text(manifest));
  out["kind"] = "checkpoint";
  std::uint64_t bytes = 0;
  for (const auto& file : manifest.files)
    bytes += file.size;
  out["bytes"] = bytes;
  // What serves programs only.
  for (const char* name : {"format_version", "config"})
    out.erase(name);
  out["written"].erase("hash");
  for (json& file : out["files"])
    file.erase("hash");
  for (json& tensor : out["tensors"]) {
    tensor.erase("hash");
    tensor.erase("file");
  }
  return out;
}

Command make_inspect_command(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App* app = parent.add_subcommand("inspect", "Say what a data set, a checkpoint or a run folder holds");
  app->add_option("PATH", options->path, "Folder to look at")->required();
  CLI::Option* statistics = app->add_flag(
      "--statistics", options->statistics,
      "Decode the images of a data set and print mean and deviation of each channel, as the configuration wants them");
  app->add_option("--sample", options->sample, "With --statistics: look at this many images, evenly spaced, not at all")
      ->check(CLI::PositiveNumber)
      ->needs(statistics);
  app->add_option("--csv", options->csv, "Write the metrics of a run's steps to this file, as a table (CSV)");
  app->add_flag("--json", options->json, "Print one line of JSON");
  app->footer(
      "Example:\n"
      "  msn inspect runs/first\n"
      "  msn inspect runs/first --csv first.csv\n"
      "  msn inspect runs/first/checkpoints/step-00012500\n"
      "  msn inspect data/photos --statistics --sample 10000");
  return {app, [options](World& world) { inspect(world, *options); }};
}

}  // namespace msn
