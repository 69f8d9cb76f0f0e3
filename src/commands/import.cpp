// SPDX-License-Identifier: Apache-2.0
#include "commands/import.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/world.hpp"
#include "commands/output_folder.hpp"
#include "evaluate/export_model.hpp"
#include "exchange/export_formats.hpp"

namespace msn {

namespace {

namespace fs = std::filesystem;

struct Arguments {
  fs::path from, output;
  std::optional<int> heads;
  bool json = false;
};

void write_import(const Arguments& arguments) {
  const ModelToExport found = model_to_export(arguments.from, Network::target, ExportType::as_stored, arguments.heads);
  for (const std::string& note : found.notes)
    log::warn(note);
  write_output_folder(arguments.output, [&](const fs::path& folder) { write_official(found.model, folder); });
  const ModelConfig& model = found.model.config.model;
  std::printf("%s: %zu tensors of %s, width %d, depth %d, heads %d, patches of %d, images of %d pixels\n",
              one_line(arguments.output.string()).c_str(), found.model.tensors.size(),
              one_line(arguments.from.string()).c_str(), model.width, model.depth, model.heads, model.patch_size,
              model.image_size);
  if (arguments.json) {
    const nlohmann::ordered_json line = {{"command", "import"},
                                         {"output", arguments.output.string()},
                                         {"from", arguments.from.string()},
                                         {"tensors", found.model.tensors.size()},
                                         {"width", model.width},
                                         {"depth", model.depth},
                                         {"heads", model.heads},
                                         {"patch_size", model.patch_size},
                                         {"image_size", model.image_size}};
    std::printf("%s\n", line.dump().c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_import_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("import", "Take over the weights of another program");
  app->add_option(
         "--from", arguments->from,
         "A .safetensors file, an index of several (*.json), or the folder of either: of Hugging Face's ViTMSN "
         "or ViT, timm, DINO or the official code")
      ->required();
  app->add_option("--output", arguments->output, "Folder to make (docs/weights.md); it must not be there")->required();
  app->add_option("--heads", arguments->heads, "Attention heads, where no config.json beside the file says it")
      ->check(CLI::PositiveNumber);
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Example:\n"
      "  msn import --from vit-msn-small --output weights/vit-msn-small\n"
      "  msn eval knn --weights weights/vit-msn-small --train data/photos --test data/photos-test");
  return {app, [arguments](World& world) {
            world.on_root([&] {
              write_import(*arguments);
              return std::string();
            });
          }};
}

}  // namespace msn
