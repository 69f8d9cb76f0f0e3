// SPDX-License-Identifier: Apache-2.0
#include "commands/export.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/world.hpp"
#include "commands/output_folder.hpp"
#include "evaluate/encoder.hpp"
#include "evaluate/export_model.hpp"
#include "exchange/export_formats.hpp"

namespace msn {

namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::optional<fs::path> run, checkpoint, weights;
  const ExportFormat* format = nullptr;
  fs::path output;
  Network network = Network::target;
  ExportType type = ExportType::fp32;
  bool json = false;
};

void write_model(const Arguments& arguments, const fs::path& source) {
  const ModelToExport found = model_to_export(source, arguments.network, arguments.type);
  for (const std::string& note : found.notes)
    log::warn(note);
  write_output_folder(arguments.output, [&](const fs::path& folder) { arguments.format->write(found.model, folder); });
  const std::string format(arguments.format->name);
  const char* network = arguments.network == Network::target ? "target" : "online";
  std::printf("%s: the %s network of %s for %s\n", one_line(arguments.output.string()).c_str(), network,
              one_line(source.string()).c_str(), format.c_str());
  if (arguments.json) {
    nlohmann::ordered_json line = {{"command", "export"}, {"output", arguments.output.string()},
                                   {"format", format},    {"source", source.string()},
                                   {"network", network},  {"dtype", found.model.dtype == "BF16" ? "bf16" : "fp32"}};
    if (found.model.training) line["step"] = found.model.training->step;
    std::printf("%s\n", line.dump().c_str());
  }
  std::fflush(stdout);
}

void run_export(const World& world, const Arguments& arguments) {
  const fs::path source =
      arguments.weights ? *arguments.weights : choose_checkpoint(world, arguments.run, arguments.checkpoint);
  world.on_root([&] {
    write_model(arguments, source);
    return std::string();
  });
}

}  // namespace

Command make_export_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("export", "Write a trained network in the form that other programs read");
  auto* run = app->add_option("--run", arguments->run, "Run folder: its newest checkpoint");
  auto* checkpoint = app->add_option("--checkpoint", arguments->checkpoint, "Checkpoint folder")->excludes(run);
  app->add_option("--weights", arguments->weights,
                  "Weights that are no checkpoint: a .safetensors file, or a folder of "
                  "msn import, msn export, transformers or timm")
      ->excludes(run)
      ->excludes(checkpoint);
  std::map<std::string, const ExportFormat*> formats;
  std::string help;
  for (const ExportFormat& format : export_formats()) {
    formats.emplace(format.name, &format);
    help += (help.empty() ? "" : "; ") + std::string(format.name) + ": " + std::string(format.help);
  }
  app->add_option_function<std::string>(
         "--format", [arguments, formats](const std::string& name) { arguments->format = formats.at(name); }, help)
      ->required()
      ->check(CLI::IsMember([&] {
        std::vector<std::string> names;
        for (const ExportFormat& format : export_formats())
          names.emplace_back(format.name);
        return names;
      }()));
  app->add_option("--output", arguments->output, "Folder to make (docs/weights.md); it must not be there")->required();
  app->add_option("--network", arguments->network,
                  "target (default): the averaged weights, which evaluations use; online: those that were trained")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Network>{{"target", Network::target}, {"online", Network::online}}));
  app->add_option("--dtype", arguments->type, "fp32 (default); bf16: half the size, rounded (not onnx)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, ExportType>{{"fp32", ExportType::fp32}, {"bf16", ExportType::bf16}}));
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Example:\n"
      "  msn export --run runs/photos --format hf --output photos-hf\n"
      "  msn export --checkpoint runs/photos/checkpoints/step-00012500 --format timm --output photos-timm");
  app->parse_complete_callback([arguments] {
    if (!arguments->run && !arguments->checkpoint && !arguments->weights)
      throw usage_error("nothing to export: give --run DIR, --checkpoint DIR or --weights FILE");
  });
  return {app, [arguments](World& world) { run_export(world, *arguments); }};
}

}  // namespace msn
