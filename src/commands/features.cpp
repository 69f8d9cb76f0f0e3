// SPDX-License-Identifier: Apache-2.0
#include "commands/features.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/seconds_since.hpp"
#include "comm/watchdog.hpp"
#include "commands/subject.hpp"
#include "evaluate/feature_file.hpp"
#include "evaluate/image_list.hpp"
#include "train/gemm_setup.hpp"
#include "train/threads.hpp"

namespace msn {
namespace {

struct Arguments {
  SubjectOptions subject;
  std::optional<std::filesystem::path> data;
  std::optional<std::string> images;
  std::uint64_t stride = 1;
  std::filesystem::path output;
  OnBad on_bad = OnBad::fail;
  double watchdog = 600;
  bool json = false;
};

ImageList list_images(const World& world, const Arguments& arguments, int threads) {
  ImageList images;
  world.agree([&] {
    images = arguments.data ? list_packed_images(*arguments.data, arguments.stride)
                            : list_image_files(*arguments.images, arguments.stride, threads);
  });
  require_same_images(world, images, arguments.data ? arguments.data->string() : *arguments.images);
  return images;
}

/// Index and reason of every rank's images that could not be had, in order.
using LeftOut = std::map<std::uint64_t, std::string>;
LeftOut gather_left_out(const World& world, const std::vector<UnreadImage>& mine) {
  nlohmann::json list = nlohmann::json::array();
  for (const UnreadImage& image : mine)
    list.push_back({image.index, image.error.problem()});
  LeftOut all;
  for (const std::string& text : world.gather(list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))) {
    for (const nlohmann::json& image : nlohmann::json::parse(text))
      all.emplace(image.at(0), image.at(1));
  }
  return all;
}

/// Names and labels of the images that have a row.
FeatureTable table_of(const ImageList& images, const LeftOut& left_out) {
  FeatureTable table;
  table.classes = images.classes;
  for (std::size_t i = 0; i < images.names.size(); ++i) {
    if (const auto bad = left_out.find(i); bad != left_out.end()) {
      table.left_out.push_back({images.names[i], bad->second});
      continue;
    }
    table.names.push_back(images.names[i]);
    if (!images.classes.empty()) table.labels.push_back(images.labels[i]);
  }
  return table;
}

/// This rank's rows without those of images that could not be had.
RowsOfRank good_rows(const FeatureRows& mine, const LeftOut& left_out, std::uint64_t images) {
  RowsOfRank rows;
  rows.total = images - left_out.size();
  const auto bad_before = static_cast<std::uint64_t>(std::distance(left_out.begin(), left_out.lower_bound(mine.begin)));
  rows.first = mine.begin - bad_before;
  rows.values = mine.values.narrow(0, 0, mine.values.size(0) - static_cast<std::int64_t>(mine.unread.size()));
  std::int64_t next = 0;
  auto bad = mine.unread.begin();
  for (std::int64_t row = 0; row < mine.values.size(0); ++row) {
    if (bad != mine.unread.end() && bad->index == mine.begin + static_cast<std::uint64_t>(row)) {
      ++bad;
      continue;
    }
    if (next != row) mine.values[next].copy_(mine.values[row]);
    ++next;
  }
  return rows;
}

void run(const World& world, const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  Watchdog watchdog(world, {.limit = Seconds(arguments.watchdog), .setting = "--watchdog"});
  Sections& sections = watchdog.sections();
  const int threads = set_up_threads(world, 0);
  tell(set_up_gemm(world, "auto"));
  const Subject subject = choose_subject(world, arguments.subject);
  const ImageList images = list_images(world, arguments, threads);
  sections.enter(Section::evaluate);
  FeatureRows mine;
  {
    std::optional<Progress> progress;
    if (world.rank() == 0) progress.emplace("features", "images");
    ExtractionOptions options;
    options.threads = threads;
    options.on_bad = arguments.on_bad;
    options.progress = [&](std::uint64_t done, std::uint64_t total) {
      sections.touch();
      // The other ranks' part is taken to be as far as rank 0's.
      if (progress) progress->update(images.source.count * done / total, images.source.count);
    };
    mine = features_of_rank(world, images.source, subject.maker, options);
  }
  const LeftOut left_out = gather_left_out(world, mine.unread);
  const RowsOfRank rows = good_rows(mine, left_out, images.source.count);
  world.agree([&] {
    if (rows.total == 0) {
      throw data_error("not one of the " + std::to_string(images.source.count) + " images is good",
                       arguments.data ? arguments.data->string() : *arguments.images);
    }
  });
  FeatureTable table = table_of(images, left_out);
  const nlohmann::ordered_json facts = subject_facts(subject, arguments.subject);
  for (const auto& [name, value] : facts.items())
    table.facts.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  if (!images.fingerprint.empty()) table.facts.emplace_back("data_fingerprint", images.fingerprint);
  write_feature_file(world, arguments.output, table, rows, subject.maker.width);

  if (world.rank() != 0) return;
  for (const BadImage& image : table.left_out)
    log::warn("left out " + image.name + ": " + image.reason);
  const double seconds = seconds_since(start);
  std::printf("%s: features of %llu images, %lld numbers each, by %s; left out %zu bad images, %.1f s\n",
              one_line(arguments.output.string()).c_str(), static_cast<unsigned long long>(rows.total),
              static_cast<long long>(subject.maker.width), one_line(subject.name).c_str(), table.left_out.size(),
              seconds);
  if (arguments.json) {
    nlohmann::ordered_json line = {{"command", "features"}, {"output", arguments.output.string()}};
    line.update(facts);
    line["images"] = rows.total;
    line["width"] = subject.maker.width;
    line["classes"] = table.classes.size();
    line["left_out"] = nlohmann::ordered_json::array();
    for (const BadImage& image : table.left_out)
      line["left_out"].push_back({{"name", image.name}, {"reason", image.reason}});
    line["seconds"] = seconds;
    std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_features_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("features", "Write what a network makes of images to a file");
  add_subject_options(*app, arguments->subject, Baselines::none);
  CLI::Option* data = app->add_option("--data", arguments->data, "Folder of a packed data set");
  CLI::Option* images =
      app->add_option("--images", arguments->images,
                      "Images as they lie: a folder of JPEG and PNG files, a tar, or a list, as msn pack takes them")
          ->excludes(data);
  app->add_option("--stride", arguments->stride, "Use every n-th image")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--output", arguments->output,
                  "File to write: .h5, or .npy with the names beside it in .csv (docs/formats.md); replaced if it is "
                  "there")
      ->required();
  app->add_option("--on-bad", arguments->on_bad,
                  "What to do at an image that cannot be read: fail (default), or skip, which names and counts them")
      ->transform(CLI::CheckedTransformer(std::map<std::string, OnBad>{{"fail", OnBad::fail}, {"skip", OnBad::skip}}))
      ->option_text("fail|skip");
  app->add_option("--watchdog", arguments->watchdog,
                  "End with code 124 when a rank shows no progress for six times these seconds; 0: never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Example:\n"
      "  msn features --run runs/photos --images ~/photos --output photos.h5\n"
      "  mpirun -n 2 msn features --run runs/photos --data data/photos --blocks 4 --output photos.npy");
  app->parse_complete_callback([arguments, data, images] {
    check_subject_options(arguments->subject);
    if (data->count() + images->count() == 0) {
      throw usage_error("no images are named", {}, "give --data DIR or --images FOLDER");
    }
    feature_format(arguments->output);
  });
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
