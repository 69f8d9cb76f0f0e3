// SPDX-License-Identifier: Apache-2.0
#include "commands/train.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/stop_signals.hpp"
#include "comm/device_communicator.hpp"
#include "comm/world.hpp"
#include "commands/device_option.hpp"
#include "commands/dry_run.hpp"
#include "commands/end_table.hpp"
#include "commands/replay.hpp"
#include "config/config.hpp"
#include "evaluate/online_knn.hpp"
#include "train/profile.hpp"
#include "train/trainer.hpp"

namespace msn {

namespace {

struct Arguments {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  std::filesystem::path data;
  std::string device = "auto";
  std::string resume = "auto";
  TrainOptions options;
  bool dry_run = false;
  DryRunOptions dry;
  std::filesystem::path replay;
  bool json = false;
};

Resume parse_resume(const std::string& text, const std::vector<std::string>& forced_keys) {
  Resume resume;
  resume.forced_keys = forced_keys;
  if (text == "never") {
    resume.from = Resume::From::never;
  } else if (text != "auto") {
    if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) {
      throw usage_error("--resume is auto, never or a step number, not " + text);
    }
    resume.from = Resume::From::step;
    resume.step = std::stoull(text);
  }
  return resume;
}

/// Rank 0's file decides for all ranks.
Config shared_config(const World& world, const Arguments& arguments) {
  const std::string text = world.on_root([&] {
    try {
      return read_text(arguments.config);
    } catch (const Error& error) {
      throw config_error(error.problem(), std::filesystem::absolute(arguments.config).string(),
                         "give the path of a configuration file");
    }
  });
  Config config;
  world.agree([&] {
    config = parse_config(text, arguments.config.string(), arguments.overrides);
    if (!arguments.data.empty()) use_one_data_set(config, arguments.data);
    const bool needs_data = config.data.input == DataInput::images && !arguments.dry_run;
    if (needs_data && config.data.path.empty() && config.data.sets.empty()) {
      throw config_error("no data set is named", "data.path", "set data.path or give --data DIR (see msn pack --help)");
    }
  });
  return config;
}

[[noreturn]] void throw_stopped(const TrainResult& result, const std::filesystem::path& run) {
  const bool by_file = result.stopped.cause == StopCause::file;
  throw AgreedError(Error(
      ExitCode::stopped,
      "by " + to_text(result.stopped) + " after step " + std::to_string(result.step) + ", with a durable checkpoint",
      result.checkpoint.string(),
      (by_file ? "remove " + (run / "stop").string() + ", then " : "") + "run the same command again to go on"));
}

void run(const World& world, const Arguments& arguments) {
  const Config config = shared_config(world, arguments);
  if (arguments.dry_run) {
    DryRunOptions dry = arguments.dry;
    dry.on_gpu = arguments.device == "cuda";
    dry_run(world, config, dry, arguments.json);
    return;
  }
  TrainOptions options = arguments.options;
  options.gpu = bind_device(world, arguments.device);
  if (!arguments.replay.empty()) {
    replay_step(world, config, {options.run, arguments.replay, options.gpu}, arguments.json);
    return;
  }
  catch_stop_signals(config.runtime.stop_signals);
  std::optional<OnlineKnn> knn;
  if (config.evaluate.every_epochs > 0) {
    knn.emplace(world, config);
    options.evaluation = knn->description();
    options.evaluate = [&knn](const TrainState& state, Sections& sections) { return (*knn)(state, sections); };
  }
  const TrainResult result = train(world, config, options);
  const bool stopped = result.stopped.cause != StopCause::none;
  if (world.rank() == 0) {
    for (const std::string& line : end_table(result, config, options))
      std::printf("%s\n", line.c_str());
    if (arguments.json) {
      const nlohmann::ordered_json line = {{"command", "train"},
                                           {"step", result.step},
                                           {"total_steps", result.total_steps},
                                           {"images_seen", result.images_seen},
                                           {"images_per_second", result.images_per_second},
                                           {"loss", result.last_loss},
                                           {"bad_samples", result.bad_samples},
                                           {"skipped", result.skipped},
                                           {"stopped", stopped},
                                           {"stopped_by", to_text(result.stopped)},
                                           {"checkpoint", result.checkpoint.string()}};
      std::printf("%s\n", line.dump().c_str());
    }
    std::fflush(stdout);
  }
  if (stopped) throw_stopped(result, arguments.options.run);
}

}  // namespace

Command make_train_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  const auto forced = std::make_shared<std::vector<std::string>>();
  CLI::App* app = parent.add_subcommand("train", "Pretrain a Vision Transformer on a packed data set");
  app->add_option("CONFIG", arguments->config, "Configuration file (TOML), for instance configs/vit_s16.toml")
      ->required();
  app->add_option("--set", arguments->overrides, "Override a key: section.key=value; may be given again")
      ->expected(1)
      ->take_all();
  app->add_option("--run", arguments->options.run, "Folder of the run: checkpoints, metrics, log");
  app->add_option("--data", arguments->data, "Folder of the packed data set, instead of data.path or [[data.set]]");
  add_device_option(*app, arguments->device);
  app->add_option(
         "--resume", arguments->resume,
         "auto: from the newest whole checkpoint of the run; never; or a step, whose newer checkpoints are set aside")
      ->capture_default_str();
  app->add_option("--force-resume", *forced,
                  "Key that may differ from the checkpoint's run although it changes its numbers; may be given again")
      ->expected(1)
      ->take_all();
  app->add_option("--max-steps", arguments->options.max_steps,
                  "End after this many steps of the run in all, over all its lives; schedules stay as configured");
  app->add_option("--max-seconds", arguments->options.max_seconds,
                  "Stop in time to have ended so long after the start of the process, with a checkpoint and exit code "
                  "75")
      ->check(CLI::PositiveNumber);
  CLI::Option* dry =
      app->add_flag("--dry-run", arguments->dry_run,
                    "Say what the run would be, its cost and its schedules, and end: needs no data, and with --device "
                    "cuda no GPU");
  app->add_option("--ranks", arguments->dry.ranks, "With --dry-run: for this many ranks instead of those started")
      ->check(CLI::Range(1, 1 << 24))
      ->needs(dry);
  app->add_option(
         "--images", arguments->dry.images,
         "With --dry-run: for a data set of this size instead of the one named (ImageNet-1k's if there is none)")
      ->check(CLI::PositiveNumber)
      ->needs(dry);
  CLI::Option* profile = app->add_option("--profile", arguments->options.profile_steps,
                                         "Profile so many steps (5 if no number is given) after the first " +
                                             std::to_string(Profile::warm_up) +
                                             " of this life, on rank 0, into RUN/profile/, as a Chrome trace")
                             ->expected(0, 1)
                             ->default_str("5")
                             ->check(CLI::Range(1, 1000))
                             ->excludes(dry)
                             ->option_text("[STEPS]");
  app->add_option(
         "--replay", arguments->replay,
         "Run the step of RUN/bundles/step-N.json again, from the checkpoint of the run before it, and compare; "
         "writes nothing")
      ->excludes(dry)
      ->excludes(profile)
      ->excludes("--resume")
      ->excludes("--max-steps")
      ->excludes("--max-seconds");
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Example:\n"
      "  mpirun -n 2 msn train configs/cifar10.toml --data data/cifar10-train --run runs/cifar10\n"
      "  msn train configs/vit_l7.toml --dry-run --ranks 128\n"
      "  mpirun -n 2 msn train runs/cifar10/config.toml --run runs/cifar10 --replay "
      "runs/cifar10/bundles/step-00000123.json\n"
      "SIGUSR1, SIGUSR2, SIGTERM (runtime.stop_signals), touch RUN/stop and the end of a batch job stop it with a\n"
      "checkpoint and exit code 75; touch RUN/save asks for a checkpoint; RUN/status.json says how it is.\n"
      "tensorboard --logdir RUN/tensorboard shows its metrics, also while it trains.\n"
      "Run the same command again to go on after an interruption.");
  app->parse_complete_callback([arguments, forced] {
    if (arguments->options.run.empty() && !arguments->dry_run) {
      throw usage_error("--run is required", {}, "name a folder for checkpoints, metrics and log, or give --dry-run");
    }
    for (const std::string& key : *forced)
      require_known_key(key);
    arguments->options.resume = parse_resume(arguments->resume, *forced);
    if (arguments->options.profile_steps && device_communicator_name().empty()) {
      // LibTorch's profiler would complain that it finds no GPU. Now, as threads to come read the environment.
      ::setenv("KINETO_LOG_LEVEL", "99", 0);
    }
    // MPI and the data take seconds to start, in which a signal must not end the process.
    if (!arguments->dry_run && arguments->replay.empty()) catch_stop_signals(RuntimeConfig{}.stop_signals);
  });
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
