// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/lease_file.hpp"
#include "checkpoint/manifest.hpp"
#include "comm/world.hpp"
#include "commands/inspect_data.hpp"
#include "commands/path_kind.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Options {
  std::string path;
  bool statistics = false;
  std::uint64_t sample = 0;
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
  switch (kind) {
    case PathKind::checkpoint:
      return describe_checkpoint(options.path);
    case PathKind::run:
      return describe_run(options.path);
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
  for (json& file : out["files"])
    file.erase("hash");
  for (json& tensor : out["tensors"]) {
    tensor.erase("hash");
    tensor.erase("file");
  }
  return out;
}

json describe_run(const fs::path& run) {
  json out{{"kind", "run"}, {"checkpoints", json::array()}};
  const auto latest = read_latest(run);
  out["latest"] = latest ? json(*latest) : json(nullptr);
  if (const auto lease = describe_lease(run)) out["lease"] = *lease;
  for (const auto& candidate : list_checkpoints(run)) {
    json entry{{"step", candidate.step}, {"folder", candidate.folder.filename().string()}};
    try {
      const Manifest manifest = read_manifest(candidate.folder);
      entry["epoch"] = manifest.facts.epoch;
      entry["written"] = manifest.written.time;
    } catch (const Error& error) {
      entry["problem"] = error.what();
    }
    out["checkpoints"].push_back(entry);
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
  app->add_flag("--json", options->json, "Print one line of JSON");
  app->footer(
      "Example:\n"
      "  msn inspect runs/first/checkpoints/step-00012500\n"
      "  msn inspect data/photos --statistics --sample 10000");
  return {app, [options](World& world) { inspect(world, *options); }};
}

}  // namespace msn
