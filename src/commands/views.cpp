// SPDX-License-Identifier: Apache-2.0
#include "commands/views.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.hpp"
#include "comm/world.hpp"
#include "commands/output.hpp"
#include "data/encode_png.hpp"
#include "data/sampler.hpp"
#include "data/workers.hpp"
#include "train/shown_views.hpp"

namespace msn {

using Json = nlohmann::ordered_json;

namespace {

struct Arguments {
  std::filesystem::path config, data, output;
  std::vector<std::string> overrides;
  std::uint64_t images = 8;
  std::uint64_t step = 0;
  bool json = false;
};

Config read_config(const Arguments& arguments) {
  Config config = load_config(arguments.config, arguments.overrides);
  if (!arguments.data.empty()) use_one_data_set(config, arguments.data);
  if (config.data.path.empty() && config.data.sets.empty()) {
    throw config_error("no data set is named", "data.path", "set data.path or give --data DIR (see msn pack --help)");
  }
  return config;
}

/// The images in the order of the run, from the first of the step on; they may reach into the steps behind it.
std::vector<ShownSample> show_samples(const ShownData& data, const Config& config, const Arguments& arguments) {
  const auto batch = static_cast<std::uint64_t>(config.train.global_batch);
  const std::uint64_t steps = steps_per_epoch(data.training.mixture.epoch_images(), config.train.global_batch) *
                              static_cast<std::uint64_t>(config.train.epochs);
  if (arguments.step >= steps || arguments.images > (steps - arguments.step) * batch) {
    throw usage_error("the run of this configuration and data set ends before that: it has " + std::to_string(steps) +
                          " steps of " + std::to_string(batch) + " images",
                      "--step " + std::to_string(arguments.step) + " --images " + std::to_string(arguments.images),
                      "steps are counted from 0");
  }
  std::vector<ShownSample> samples(arguments.images);
  for_each_parallel(samples.size(), allowed_cores(), [&](std::size_t i) {
    samples[i] = show_sample(data, config, arguments.step + i / batch, i % batch);
  });
  return samples;
}

Json to_json(const ShownView& view) {
  const ViewParameters& p = view.parameters;
  Json jitter = nullptr;
  if (p.jitter) {
    jitter = Json::array();
    for (const ColourOperation operation : p.order) {
      jitter.push_back(
          {{"operation", operation_name(operation)}, {"factor", p.factors[static_cast<std::size_t>(operation)]}});
    }
  }
  return {{"view", view.name},
          {"size", view.pixels.width()},
          {"crop", {{"left", p.crop.left}, {"top", p.crop.top}, {"width", p.crop.width}, {"height", p.crop.height}}},
          {"flip", p.flip},
          {"jitter", jitter},
          {"gray", p.grayscale},
          {"blur", p.blur ? Json(p.radius) : Json(nullptr)},
          {"patches", view.patches},
          {"kept", view.kept}};
}

Json to_json(const ShownSample& sample) {
  Json views = Json::array();
  for (const ShownView& view : sample.views)
    views.push_back(to_json(view));
  return {{"sample", sample.sample},     {"data_set", sample.data_set},   {"name", sample.name},
          {"width", sample.image.width}, {"height", sample.image.height}, {"step", sample.step},
          {"epoch", sample.epoch},       {"position", sample.position},   {"views", views}};
}

void write_sheet(const Arguments& arguments) {
  const Config config = read_config(arguments);
  const ShownData data = open_shown_data(config);
  const std::vector<ShownSample> samples = show_samples(data, config, arguments);
  std::vector<SheetRow> rows;
  for (const ShownSample& sample : samples)
    rows.push_back(sheet_row(sample, config));
  const Image sheet = draw_contact_sheet(rows);
  const std::vector<std::byte> png = encode_png(sheet);
  write_output(arguments.output, std::string_view(reinterpret_cast<const char*>(png.data()), png.size()));

  Json images = Json::array();
  for (const ShownSample& sample : samples) {
    std::printf("%s\n", describe_sample(sample).c_str());
    for (const ShownView& view : sample.views)
      std::printf("  %-10s %s\n", view.name.c_str(), describe_view(view).c_str());
    images.push_back(to_json(sample));
  }
  std::printf("%s: %d x %d pixels, %zu images\n", one_line(arguments.output.string()).c_str(), sheet.width,
              sheet.height, samples.size());
  if (arguments.json) {
    const Json line = {{"command", "views"},     {"output", arguments.output.string()}, {"width", sheet.width},
                       {"height", sheet.height}, {"seed", config.train.seed},           {"images", images}};
    std::printf("%s\n", line.dump().c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_views_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("views", "Draw a contact sheet of the views that training makes of images");
  app->add_option("CONFIG", arguments->config, "Configuration file (TOML), for instance configs/vit_s16.toml")
      ->required();
  app->add_option("--set", arguments->overrides, "Override a key: section.key=value; may be given again")
      ->expected(1)
      ->take_all();
  app->add_option("--data", arguments->data, "Folder of the packed data set, instead of data.path or [[data.set]]");
  app->add_option("--output", arguments->output, "PNG file to write; replaced if it is there")->required();
  app->add_option("--images", arguments->images, "Images to show, one a row, in the order of the run")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--step", arguments->step, "Step of the run, from 0, with whose first image the sheet begins")
      ->capture_default_str();
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Views, masks and order are those of `msn train` with this configuration, seed and data set. A row shows the\n"
      "image, its target view, its random views and its focal views. What the network does not see of a view (masked\n"
      "patches, pixels beyond the last whole patch) is veiled in blue. The text below a row says what was drawn, in\n"
      "the order in which it is applied. Each image has the mask of the step that it belongs to.\n"
      "Example:\n"
      "  msn views configs/vit_s16.toml --data data/photos --output sheet.png\n"
      "  msn views configs/vit_s16.toml --data data/photos --output half.png --step 12000 --set views.mask_ratio=0.5");
  return {app, [arguments](World& world) {
            world.on_root([&] {
              write_sheet(*arguments);
              return std::string();
            });
          }};
}

}  // namespace msn
