// SPDX-License-Identifier: Apache-2.0
#include "commands/pack.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/world.hpp"
#include "data/pack.hpp"

namespace msn {

namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  PackOptions options;
  std::uint64_t shards = 0;
  std::string shard_size = "1GiB";
  bool json = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A line every few seconds.
std::function<void(const PackProgress&)> progress_lines() {
  return [start = Clock::now(), last = Clock::now()](const PackProgress& progress) mutable {
    if (seconds_since(last) < 3) return;
    last = Clock::now();
    char line[160];
    std::snprintf(line, sizeof line, "packed %llu of %llu images, %.0f a second, %llu bad",
                  static_cast<unsigned long long>(progress.done), static_cast<unsigned long long>(progress.total),
                  static_cast<double>(progress.done) / seconds_since(start),
                  static_cast<unsigned long long>(progress.bad));
    log::info(line);
  };
}

nlohmann::json to_json(const PackReport& report, const std::filesystem::path& output, double seconds) {
  nlohmann::json bad = nlohmann::json::array();
  for (const BadImage& image : report.left_out)
    bad.push_back({{"name", image.name}, {"reason", image.reason}});
  return {{"output", output.string()},
          {"images", report.manifest.count},
          {"classes", report.manifest.classes.size()},
          {"shards", report.manifest.shards.size()},
          {"shards_reused", report.shards_reused},
          {"bytes", report.bytes},
          {"left_out", bad},
          {"ignored", report.ignored},
          {"duplicates", report.manifest.duplicates},
          {"fingerprint", report.manifest.fingerprint},
          {"already_complete", report.already_complete},
          {"seconds", seconds}};
}

void print_summary(const PackReport& report, const std::filesystem::path& output, double seconds) {
  for (const BadImage& image : report.left_out)
    log::warn("left out " + one_line(image.name) + ": " + image.reason);
  const DataSetManifest& manifest = report.manifest;
  std::printf("%s %s: %llu images, %zu classes, %zu shards, %.1f MB%s\n",
              report.already_complete ? "already packed:" : "packed", one_line(output.string()).c_str(),
              static_cast<unsigned long long>(manifest.count), manifest.classes.size(), manifest.shards.size(),
              static_cast<double>(report.bytes) / 1e6, manifest.classes.empty() ? ", no labels" : "");
  std::printf("left out %zu bad files, passed over %llu other files, %llu duplicates, %.1f s\n", report.left_out.size(),
              static_cast<unsigned long long>(report.ignored), static_cast<unsigned long long>(manifest.duplicates),
              seconds);
  std::printf("fingerprint %s\n", manifest.fingerprint.c_str());
}

void run(World& world, Arguments& arguments) {
  PackOptions& options = arguments.options;
  options.shard_bytes = parse_size(arguments.shard_size);
  if (arguments.shards > 0) options.shards = arguments.shards;
  options.progress = progress_lines();
  // One process has the cores of one host; a data set is packed once. The other ranks wait for its end.
  world.on_root([&] {
    const Clock::time_point start = Clock::now();
    const PackReport report = pack(options);
    print_summary(report, options.output, seconds_since(start));
    if (arguments.json) std::printf("%s\n", to_json(report, options.output, seconds_since(start)).dump().c_str());
    std::fflush(stdout);
    return std::string();
  });
}

}  // namespace

Command make_pack_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("pack", "Make a data set from image folders or the built-in generator");
  app->add_option("--input", arguments->options.inputs,
                  "Folder of JPEG and PNG files, or synthetic:shapes?images=6000&size=32&seed=1; may be given again")
      ->required()
      ->expected(1)
      ->take_all();
  app->add_option("--output", arguments->options.output, "Folder of the data set; made if it does not exist")
      ->required();
  CLI::Option* shards = app->add_option("--shards", arguments->shards, "Number of shards")->check(CLI::PositiveNumber);
  app->add_option("--shard-size", arguments->shard_size, "Image bytes a shard, for instance 256MiB; held in memory")
      ->capture_default_str()
      ->excludes(shards);
  app->add_option(
         "--labels", arguments->options.labels,
         "folders: the first folder below the input is the class; none. Without it: folders where there are any")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, Labels>{{"folders", Labels::folders}, {"none", Labels::none}}))
      ->option_text("folders|none");
  app->add_option("--on-bad", arguments->options.on_bad, "At a file that cannot be decoded: fail (default) or skip")
      ->transform(CLI::CheckedTransformer(std::map<std::string, OnBad>{{"fail", OnBad::fail}, {"skip", OnBad::skip}}))
      ->option_text("fail|skip");
  app->add_option("--workers", arguments->options.workers, "Threads; 0: all cores that may be used")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Example:\n"
      "  msn pack --input photos/train --output data/photos --on-bad skip\n"
      "  msn pack --input 'synthetic:shapes?images=1000&seed=2' --output data/shapes-test");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
