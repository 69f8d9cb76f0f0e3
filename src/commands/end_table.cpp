// SPDX-License-Identifier: Apache-2.0
#include "commands/end_table.hpp"

#include "base/error.hpp"
#include "base/formatted.hpp"

namespace msn {

namespace {

std::string why(const TrainResult& result) {
  if (result.stopped.cause != StopCause::none) return to_text(result.stopped);
  return result.step < result.total_steps ? "--max-steps" : "the run is complete";
}

std::string next(const TrainResult& result, const Config& config, const TrainOptions& options) {
  const std::string run = one_line(options.run.string());
  switch (result.stopped.cause) {
    case StopCause::none:
      break;
    case StopCause::file:
      return "remove " + run + "/stop, then run the same command again to go on";
    default:
      return "run the same command again to go on";
  }
  if (result.step < result.total_steps) return "run the same command with a larger --max-steps, or without, to go on";
  const std::string data = config.data.path.empty() ? "DATA" : one_line(config.data.path.string());
  return "msn eval knn --run " + run + " --train " + data + " --test DATA, with labels";
}

}  // namespace

std::vector<std::string> end_table(const TrainResult& result, const Config& config, const TrainOptions& options) {
  std::vector<std::string> lines;
  const auto row = [&](std::string name, const std::string& text) {
    name.resize(13, ' ');
    lines.push_back(name + text);
  };
  lines.push_back(formatted("%s after step %llu of %llu, %llu images seen, %.1f images/s; checkpoint ",
                            result.stopped.cause == StopCause::none ? "done" : "stopped",
                            static_cast<unsigned long long>(result.step),
                            static_cast<unsigned long long>(result.total_steps),
                            static_cast<unsigned long long>(result.images_seen), result.images_per_second) +
                  one_line(result.checkpoint.string()));
  row("why", why(result));
  if (result.bad_samples > 0)
    lines.push_back(std::to_string(result.bad_samples) + " bad samples were replaced; the log names each once");
  if (result.skipped > 0) {
    lines.push_back(std::to_string(result.skipped) +
                    " steps were left out because they were not finite; the log names each");
  }
  row("metrics",
      one_line((options.run / "metrics.jsonl").string()) +
          (config.runtime.tensorboard ? "; tensorboard --logdir " + one_line((options.run / "tensorboard").string())
                                      : std::string()));
  row("next", next(result, config, options));
  return lines;
}

}  // namespace msn
