// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "base/files.hpp"
#include "base/log.hpp"

namespace msn {

StepMetrics gather_metrics(const StepReport& report, const RankFacts& facts, const Communicator& communicator) {
  const LossParts& parts = report.objective.parts;
  const std::vector<double> scalars{parts.loss,
                                    parts.cross_entropy,
                                    parts.me_max,
                                    parts.entropy,
                                    parts.max_target,
                                    parts.min_target,
                                    facts.data_wait_seconds,
                                    facts.wishes.stop,
                                    static_cast<double>(facts.bad_samples),
                                    report.reduce_seconds,
                                    report.reduce_wait_seconds,
                                    facts.saver_ready ? 0.0 : 1.0,
                                    facts.wishes.save};
  const std::array<double, kRankTimes> times = rank_times(facts.times);
  const auto first_time = static_cast<std::int64_t>(scalars.size());
  const std::int64_t count = first_time + static_cast<std::int64_t>(times.size());
  const std::int64_t prototypes = report.prototypes_used.numel();
  const at::Tensor message = at::zeros({count + prototypes}, at::kDouble);
  std::copy(times.begin(), times.end(), std::copy(scalars.begin(), scalars.end(), message.mutable_data_ptr<double>()));
  message.narrow(0, count, prototypes).copy_(report.prototypes_used);

  const at::Tensor all = communicator.gather(message, "metrics");
  const at::Tensor mean = all.mean(0);
  const at::Tensor most = all.amax(0);
  const double* means = mean.const_data_ptr<double>();
  StepMetrics metrics;
  metrics.loss.loss = means[0];
  metrics.loss.cross_entropy = means[1];
  metrics.loss.me_max = means[2];
  metrics.loss.entropy = means[3];
  metrics.loss.max_target = means[4];
  metrics.loss.min_target = means[5];
  metrics.data_wait_seconds = most.const_data_ptr<double>()[6];
  metrics.bad_samples = static_cast<std::uint64_t>(all.select(1, 8).sum().item<double>());
  metrics.reduce_seconds = most.const_data_ptr<double>()[9];
  metrics.reduce_wait_seconds = most.const_data_ptr<double>()[10];
  metrics.savers_ready = most.const_data_ptr<double>()[11] == 0;
  metrics.wishes = {most.const_data_ptr<double>()[7], most.const_data_ptr<double>()[12]};
  metrics.loss.prototypes_used = most.narrow(0, count, prototypes).sum().item<double>();
  metrics.grad_norm = report.grad_norm;
  const at::Tensor rank_rows = all.narrow(1, first_time, static_cast<std::int64_t>(times.size())).contiguous();
  const std::span<double> rows = span_of<double>(rank_rows);
  metrics.rank_times.assign(rows.begin(), rows.end());
  return metrics;
}

MetricsFile::MetricsFile(const std::filesystem::path& file, std::uint64_t completed_steps) : path_(file) {
  if (std::filesystem::exists(file)) {
    const std::string text = read_text(file);
    std::size_t keep = 0;
    while (keep < text.size()) {
      const std::size_t end = text.find('\n', keep);
      if (end == std::string::npos) break;  // A line that a crash cut short.
      const auto line = nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(keep),
                                              text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      if (!line.is_object() || line.value("step", std::uint64_t{0}) > completed_steps) break;
      keep = end + 1;
    }
    std::filesystem::resize_file(file, keep);
  }
  out_.open(file, std::ios::app);
}

namespace {

nlohmann::ordered_json to_json(const StragglerReport& report) {
  const auto list = [](const Spread& spread) { return nlohmann::ordered_json{spread.min, spread.median, spread.max}; };
  return {{"steps", report.steps},
          {"data_seconds", list(report.data)},
          {"compute_seconds", list(report.compute)},
          {"waiting_seconds", list(report.waiting)},
          {"slowest", report.slowest},
          {"host", report.host},
          {"section", to_string(report.section)},
          {"behind_seconds", report.behind}};
}

nlohmann::ordered_json to_json(const SaveResult& save) {
  nlohmann::ordered_json json = {{"step", save.step}, {"durable", !save.failure}, {"seconds", save.seconds}};
  if (!save.failure) json["bytes"] = save.bytes;
  return json;
}

}  // namespace

void MetricsFile::write(const StepMetrics& metrics) {
  nlohmann::ordered_json line = {{"step", metrics.step},
                                 {"epoch", metrics.epoch},
                                 {"loss", metrics.loss.loss},
                                 {"cross_entropy", metrics.loss.cross_entropy},
                                 {"me_max", metrics.loss.me_max},
                                 {"entropy", metrics.loss.entropy},
                                 {"lr", metrics.schedule.lr},
                                 {"weight_decay", metrics.schedule.weight_decay},
                                 {"ema", metrics.schedule.ema_momentum},
                                 {"sharpen", metrics.schedule.sharpen},
                                 {"grad_norm", metrics.grad_norm},
                                 {"prototypes_used", metrics.loss.prototypes_used},
                                 {"max_target", metrics.loss.max_target},
                                 {"min_target", metrics.loss.min_target},
                                 {"images_per_second", metrics.images_per_second},
                                 {"data_wait_seconds", metrics.data_wait_seconds},
                                 {"reduce_seconds", metrics.reduce_seconds},
                                 {"reduce_wait_seconds", metrics.reduce_wait_seconds},
                                 {"bad_samples", metrics.bad_samples},
                                 {"skipped", metrics.skipped}};
  if (metrics.checkpoint.held_seconds) line["checkpoint_seconds"] = *metrics.checkpoint.held_seconds;
  if (metrics.checkpoint.ended) line["checkpoint"] = to_json(*metrics.checkpoint.ended);
  if (metrics.evaluation) {
    line["evaluation"] = {{"knn_top1", metrics.evaluation->top1},
                          {"knn_top5", metrics.evaluation->top5},
                          {"seconds", metrics.evaluation->seconds}};
  }
  if (metrics.ranks) line["ranks"] = to_json(*metrics.ranks);
  out_ << line.dump() << '\n' << std::flush;
  if (!out_ && !warned_) {
    warned_ = true;
    log::warn("cannot write " + path_.string() + " (disk full?); training goes on without metrics");
  }
}

}  // namespace msn
