// SPDX-License-Identifier: Apache-2.0
#include "commands/subset.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "comm/world.hpp"
#include "commands/output.hpp"
#include "data/subset.hpp"

namespace msn {

namespace {

struct Arguments {
  std::filesystem::path data, names, output;
  std::uint64_t per_class = 0;
  std::uint64_t seed = 0;
  bool json = false;
};

void write_subset(const Arguments& arguments) {
  const DataSet set(arguments.data);
  const LabelList list = arguments.names.empty()
                             ? draw_subset(set, arguments.per_class, arguments.seed)
                             : pick_subset(set, read_label_list(arguments.names), arguments.names.string());
  write_output(arguments.output, label_list_text(list));
  const std::size_t classes = set.manifest().classes.size();
  std::printf("%s: %zu images of %llu in %s, which has %zu classes\n", one_line(arguments.output.string()).c_str(),
              list.entries.size(), static_cast<unsigned long long>(set.count()),
              one_line(arguments.data.string()).c_str(), classes);
  if (arguments.json) {
    nlohmann::ordered_json line = {{"command", "subset"},           {"output", arguments.output.string()},
                                   {"data_set", list.data_set},     {"fingerprint", list.fingerprint},
                                   {"images", list.entries.size()}, {"classes", classes}};
    if (list.per_class) line["per_class"] = *list.per_class;
    if (list.seed) line["seed"] = *list.seed;
    std::printf("%s\n", line.dump().c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_subset_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("subset", "Choose images with labels for an evaluation with few of them");
  app->add_option("--data", arguments->data, "Folder of a packed data set with labels")->required();
  CLI::Option* per_class = app->add_option("--per-class", arguments->per_class, "Draw this many images of every class")
                               ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32));
  app->add_option("--seed", arguments->seed, "Of the draw; another seed, another draw")
      ->needs(per_class)
      ->capture_default_str();
  CLI::Option* names = app->add_option("--names", arguments->names,
                                       "Take the images that this file names, one a line, instead of a draw")
                           ->excludes(per_class);
  app->add_option("--output", arguments->output, "Label list to write (docs/formats.md); replaced if it is there")
      ->required();
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Example:\n"
      "  msn subset --data data/imagenet-train --per-class 5 --seed 1 --output lists/imagenet-5-a.csv\n"
      "  msn subset --data data/imagenet-train --names 1percent.txt --output lists/imagenet-1percent.csv");
  app->parse_complete_callback([per_class, names] {
    if (per_class->count() + names->count() == 0) {
      throw usage_error("neither --per-class nor --names is given", {}, "say how many images of a class, or name them");
    }
  });
  return {app, [arguments](World& world) {
            world.on_root([&] {
              write_subset(*arguments);
              return std::string();
            });
          }};
}

}  // namespace msn
