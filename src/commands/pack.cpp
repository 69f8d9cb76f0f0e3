// SPDX-License-Identifier: Apache-2.0
#include "commands/pack.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/byte_size.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/seconds_since.hpp"
#include "comm/cores.hpp"
#include "comm/world.hpp"
#include "data/pack.hpp"

namespace msn {

namespace {

struct Arguments {
  PackOptions options;
  std::uint64_t shards = 0;
  std::string shard_size = "1GiB";
  std::string labels;
  std::optional<int> max_side;
  std::optional<int> quality;
  int workers = 0;
  bool json = false;
};

nlohmann::json to_json(const PackReport& report, const std::filesystem::path& output, double seconds) {
  nlohmann::json bad = nlohmann::json::array();
  for (const BadImage& image : report.left_out)
    bad.push_back({{"name", image.name}, {"reason", image.reason}});
  nlohmann::json pairs = nlohmann::json::array();
  for (const Duplicate& pair : report.duplicates)
    pairs.push_back({{"name", pair.name}, {"first", pair.first}});
  return {{"output", output.string()},
          {"images", report.manifest.count},
          {"classes", report.manifest.classes.size()},
          {"shards", report.manifest.shards.size()},
          {"shards_reused", report.shards_reused},
          {"bytes", report.bytes},
          {"transcoded", report.transcoded},
          {"left_out", bad},
          {"ignored", report.ignored},
          {"labels_unused", report.labels_unused},
          {"duplicates", report.manifest.duplicates},
          {"first_duplicates", pairs},
          {"fingerprint", report.manifest.fingerprint},
          {"already_complete", report.already_complete},
          {"seconds", seconds}};
}

void print_summary(const PackReport& report, const std::filesystem::path& output, double seconds) {
  for (const BadImage& image : report.left_out)
    log::warn("left out " + image.name + ": " + image.reason);
  if (report.labels_unused > 0) {
    log::warn(std::to_string(report.labels_unused) + " lines of the label file name no image");
  }
  const DataSetManifest& manifest = report.manifest;
  std::printf("%s %s: %llu images, %zu classes, %zu shards, %.1f MB%s\n",
              report.already_complete ? "already packed:" : "packed", one_line(output.string()).c_str(),
              static_cast<unsigned long long>(manifest.count), manifest.classes.size(), manifest.shards.size(),
              static_cast<double>(report.bytes) / 1e6, manifest.classes.empty() ? ", no labels" : "");
  if (manifest.transcode) {
    std::printf("encoded %llu images anew as JPEG of quality %d\n", static_cast<unsigned long long>(report.transcoded),
                manifest.transcode->quality);
  }
  std::printf("left out %zu bad files, passed over %llu other files, %llu duplicates, %.1f s\n", report.left_out.size(),
              static_cast<unsigned long long>(report.ignored), static_cast<unsigned long long>(manifest.duplicates),
              seconds);
  for (const Duplicate& pair : report.duplicates)
    std::printf("duplicate: %s equals %s\n", one_line(pair.name).c_str(), one_line(pair.first).c_str());
  if (manifest.duplicates > report.duplicates.size()) {
    std::printf("all duplicates are in %s\n", one_line((output / "duplicates.csv").string()).c_str());
  }
  std::printf("fingerprint %s\n", manifest.fingerprint.c_str());
}

void set_labels(PackOptions& options, const std::string& labels) {
  if (labels == "folders") {
    options.labels = Labels::folders;
  } else if (labels == "none") {
    options.labels = Labels::none;
  } else {
    options.label_file = labels;  // Empty where the flag is not given.
  }
}

void run(World& world, Arguments& arguments) {
  PackOptions& options = arguments.options;
  options.shard_bytes = parse_size(arguments.shard_size);
  if (arguments.shards > 0) options.shards = arguments.shards;
  set_labels(options, arguments.labels);
  if (arguments.max_side || arguments.quality) {
    options.transcode = Transcode{};
    options.transcode->max_side = arguments.max_side.value_or(0);
    options.transcode->quality = arguments.quality.value_or(options.transcode->quality);
  }
  options.workers = arguments.workers > 0 ? arguments.workers : cores_of_this_rank(world);

  const auto start = std::chrono::steady_clock::now();
  Progress progress("packing", "images");
  options.progress = [&](const PackProgress& now) {
    progress.update(now.done, now.total, now.bad > 0 ? std::to_string(now.bad) + " bad" : "");
  };
  const PackReport report = pack(world, options);
  if (world.rank() != 0) return;
  progress.clear();
  const double seconds = seconds_since(start);
  print_summary(report, options.output, seconds);
  if (arguments.json) {
    // A path need not be UTF-8.
    const auto replace = nlohmann::json::error_handler_t::replace;
    std::printf("%s\n", to_json(report, options.output, seconds).dump(-1, ' ', false, replace).c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_pack_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("pack", "Make a data set from folders, tars or lists of images");
  app->add_option("--input", arguments->options.inputs,
                  "Folder, .tar (also a tar of a tar a class), list of NAME[,LABEL] lines, or "
                  "synthetic:shapes?images=6000&size=32&seed=1; may be given again")
      ->required()
      ->expected(1)
      ->take_all()
      ->option_text("FOLDER|TAR|LIST|synthetic:shapes REQUIRED");
  app->add_option("--output", arguments->options.output, "Folder of the data set; made if it does not exist")
      ->required();
  CLI::Option* shards = app->add_option("--shards", arguments->shards, "Number of shards")->check(CLI::PositiveNumber);
  app->add_option("--shard-size", arguments->shard_size,
                  "Bytes of image files a shard, for instance 256MiB. Each rank holds one shard in memory")
      ->capture_default_str()
      ->excludes(shards);
  app->add_option("--labels", arguments->labels,
                  "folders: every image has a class, the first folder below the input; none; or a list of NAME,LABEL "
                  "lines. Without it: labels of lists and class folders where there are any")
      ->option_text("folders|none|FILE");
  app->add_option("--on-bad", arguments->options.on_bad,
                  "At a file that cannot be read or decoded: fail (default), or skip, which leaves it out and names it")
      ->transform(CLI::CheckedTransformer(std::map<std::string, OnBad>{{"fail", OnBad::fail}, {"skip", OnBad::skip}}))
      ->option_text("fail|skip");
  app->add_option("--max-side", arguments->max_side,
                  "Scale images whose long side has more pixels down to it and encode them anew as JPEG")
      ->check(CLI::Range(1, 65500))
      ->option_text("N");
  app->add_option("--quality", arguments->quality,
                  "Of images that are encoded anew (90). Without --max-side all images are")
      ->check(CLI::Range(1, 100))
      ->option_text("Q");
  app->add_option("--workers", arguments->workers, "Threads a rank; 0: all cores that it may use")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Images are stored as they are unless --max-side or --quality is given. Memory: one shard a rank, so choose a\n"
      "smaller --shard-size on a small machine. Ranks share the work; the files do not depend on their number.\n"
      "Run the same command again after an interruption: shards that are complete are kept.\n"
      "\n"
      "Example:\n"
      "  msn pack --input photos/train --output data/photos --on-bad skip\n"
      "  mpirun -n 8 msn pack --input ILSVRC2012_img_train.tar --output data/imagenet-train\n"
      "  msn pack --input 'synthetic:shapes?images=1000&seed=2' --output data/shapes-test");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
