// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/manifest.hpp"
#include "comm/world.hpp"
#include "commands/inspect_data.hpp"

namespace msn {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Options {
  std::string path;
  bool json = false;
};

/// One "name: value" a line; a list of objects as one object a line.
std::string plain_text(const json& facts);

/// What can lie at a path: the entry that tells it, who describes it, and how that reads on a terminal.
struct Kind {
  const char* sign;
  json (*describe)(const fs::path&);
  std::string (*text)(const json&);
};
constexpr Kind kKinds[] = {
    {"manifest.json", describe_checkpoint, plain_text},
    {"checkpoints", describe_run, plain_text},
    {"dataset.json", describe_dataset, dataset_text},
};

const Kind& kind_of(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw data_error("there is nothing here", path.string(), "check the path");
  for (const Kind& kind : kKinds) {
    if (fs::exists(path / kind.sign, ignored)) return kind;
  }
  throw data_error("neither a data set, a checkpoint nor a run folder", path.string(),
                   "give a folder with a dataset.json, a manifest.json or a checkpoints folder in it");
}

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

void inspect(World& world, const Options& options) {
  const std::string text = world.on_root([&] {
    const Kind& kind = kind_of(options.path);
    const json facts = kind.describe(options.path);
    return options.json ? facts.dump() + "\n" : kind.text(facts);
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
  app->add_flag("--json", options->json, "Print one line of JSON");
  app->footer("Example: msn inspect runs/first/checkpoints/step-00012500");
  return {app, [options](World& world) { inspect(world, *options); }};
}

}  // namespace msn
