// SPDX-License-Identifier: Apache-2.0
#include "commands/report.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "comm/world.hpp"
#include "commands/output.hpp"
#include "commands/version.hpp"
#include "report/network_pictures.hpp"
#include "report/page.hpp"
#include "train/gemm_setup.hpp"
#include "train/threads.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Arguments {
  std::vector<fs::path> runs;
  fs::path output;
  bool images = false;
  std::optional<fs::path> data;
  std::uint64_t sample = 512;
  bool json = false;
};

/// A slip of the hand must not cost a run its metrics: only a report is replaced.
void check_output(const fs::path& output) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(output, ignored))) return;
  std::string begin(400, '\0');
  std::ifstream in;
  if (fs::is_regular_file(output, ignored)) in.open(output, std::ios::binary);
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  if (begin.find("<meta name=\"generator\" content=\"msn report\">") == std::string::npos) {
    throw usage_error("there is something that is no report of msn, which is not replaced", output.string(),
                      "give another --output");
  }
}

Json to_json(const RunRecord& run) {
  return {{"path", run.path.string()},
          {"state", run.status ? Json(run.status->state) : Json(nullptr)},
          {"steps", run.metrics.steps.size()},
          {"last_step", run.metrics.steps.empty() ? Json(nullptr) : Json(run.metrics.steps.back())},
          {"lives", run.lives.size()},
          {"notes", run.notes}};
}

std::vector<RunPictures> draw_pictures(const Arguments& arguments, int threads) {
  std::vector<RunPictures> pictures;
  for (const fs::path& run : arguments.runs) {
    Progress progress("looking at images", "images");
    const auto tell = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
    pictures.push_back(draw_network_pictures(run, {arguments.data, arguments.sample, threads, tell}));
  }
  return pictures;
}

/// `threads` compute and decode, for pictures.
void write_report(const Arguments& arguments, int threads) {
  check_output(arguments.output);
  std::vector<RunRecord> runs;
  for (const fs::path& path : arguments.runs)
    runs.push_back(read_run(path));
  std::vector<RunPictures> pictures;
  if (arguments.images) pictures = draw_pictures(arguments, threads);
  const ReportPage page = report_page(runs, {program_version(), std::chrono::system_clock::now()}, pictures);
  write_output(arguments.output, page.html);

  for (const RunRecord& run : runs) {
    for (const std::string& note : run.notes)
      std::printf("%s: %s\n", one_line(run.path.string()).c_str(), one_line(note).c_str());
  }
  std::printf("%s: %zu run%s, %zu charts, %.2f MB\n", one_line(arguments.output.string()).c_str(), runs.size(),
              runs.size() == 1 ? "" : "s", page.charts, static_cast<double>(page.html.size()) / 1e6);
  if (arguments.json) {
    Json line = {{"command", "report"},
                 {"output", arguments.output.string()},
                 {"bytes", page.html.size()},
                 {"charts", page.charts},
                 {"runs", Json::array()}};
    for (const RunRecord& run : runs)
      line["runs"].push_back(to_json(run));
    std::printf("%s\n", line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_report_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("report", "Draw how runs went, or go, as one HTML page");
  app->add_option("RUN", arguments->runs, "Run folder; several are compared on common axes")
      ->required()
      ->expected(1, static_cast<int>(kMostRuns));
  app->add_option("--output", arguments->output, "HTML file to write; a report that is there is replaced")->required();
  CLI::Option* images = app->add_flag(
      "--images", arguments->images,
      "Also pictures, of at most 3 runs: views, the images nearest to prototypes, where the network looks");
  app->add_option("--data", arguments->data, "Packed data set of the pictures, instead of the run's own")
      ->needs(images);
  app->add_option("--sample", arguments->sample, "Images that are searched for those nearest to prototypes")
      ->needs(images)
      ->check(CLI::Range(2, 100000))
      ->capture_default_str();
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "The page needs no network and no other file. It shows loss, schedules, gradients, monitors, evaluations, "
      "speed,\n"
      "restarts, hosts and settings; docs/report.md says what each chart tells. A run may be at work: the page is "
      "what\n"
      "its folder holds now. At most 12 runs. Without --images it holds nothing of the images that were trained on.\n"
      "Example:\n"
      "  msn report runs/photos --output photos.html\n"
      "  msn report runs/photos --output photos.html --images --data data/photos\n"
      "  msn report runs/lr-* --output learning-rates.html");
  app->parse_complete_callback([arguments] {
    if (arguments->images && arguments->runs.size() > kMostRunsWithPictures)
      throw usage_error("pictures are of at most " + std::to_string(kMostRunsWithPictures) + " runs", "--images",
                        "leave it out, or name fewer runs");
  });
  return {app, [arguments](World& world) {
            int threads = 1;
            if (arguments->images) {
              threads = set_up_threads(world, 0);
              set_up_gemm(world, "auto");
            }
            world.on_root([&] {
              write_report(*arguments, threads);
              return std::string();
            });
          }};
}

}  // namespace msn
