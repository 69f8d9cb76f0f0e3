// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.hpp"

#include <ATen/ops/zeros.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "base/files.hpp"
#include "base/log.hpp"

namespace msn {

namespace {

/// A number that every step has.
struct Number {
  const char* group;  ///< Of TensorBoard.
  const char* name;
  double (*of)(const StepMetrics&);
};

constexpr Number kNumbers[] = {
    {"loss", "loss", [](const StepMetrics& m) { return m.loss.loss; }},
    {"loss", "cross_entropy", [](const StepMetrics& m) { return m.loss.cross_entropy; }},
    {"loss", "me_max", [](const StepMetrics& m) { return m.loss.me_max; }},
    {"loss", "entropy", [](const StepMetrics& m) { return m.loss.entropy; }},
    {"schedule", "lr", [](const StepMetrics& m) { return m.schedule.lr; }},
    {"schedule", "weight_decay", [](const StepMetrics& m) { return m.schedule.weight_decay; }},
    {"schedule", "ema", [](const StepMetrics& m) { return m.schedule.ema_momentum; }},
    {"schedule", "sharpen", [](const StepMetrics& m) { return m.schedule.sharpen; }},
    {"loss", "grad_norm", [](const StepMetrics& m) { return m.grad_norm; }},
    {"collapse", "prototypes_used", [](const StepMetrics& m) { return m.loss.prototypes_used; }},
    {"collapse", "max_target", [](const StepMetrics& m) { return m.loss.max_target; }},
    {"collapse", "min_target", [](const StepMetrics& m) { return m.loss.min_target; }},
    {"collapse", "mean_entropy", [](const StepMetrics& m) { return m.loss.mean_entropy; }},
    {"speed", "images_per_second", [](const StepMetrics& m) { return m.images_per_second; }},
    {"speed", "data_wait_seconds", [](const StepMetrics& m) { return m.data_wait_seconds; }},
    {"speed", "reduce_seconds", [](const StepMetrics& m) { return m.reduce_seconds; }},
    {"speed", "reduce_wait_seconds", [](const StepMetrics& m) { return m.reduce_wait_seconds; }},
};

}  // namespace

StepMetrics gather_metrics(const StepReport& report, const RankFacts& facts, const Communicator& communicator) {
  const LossParts& parts = report.objective.parts;
  const std::vector<double> scalars{parts.loss,
                                    parts.cross_entropy,
                                    parts.me_max,
                                    parts.entropy,
                                    parts.max_target,
                                    parts.min_target,
                                    parts.mean_entropy,
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
  metrics.loss.mean_entropy = means[6];
  const double* largest = most.const_data_ptr<double>();
  metrics.data_wait_seconds = largest[7];
  metrics.bad_samples = static_cast<std::uint64_t>(all.select(1, 9).sum().item<double>());
  metrics.reduce_seconds = largest[10];
  metrics.reduce_wait_seconds = largest[11];
  metrics.savers_ready = largest[12] == 0;
  metrics.wishes = {largest[8], largest[13]};
  metrics.loss.prototypes_used = most.narrow(0, count, prototypes).sum().item<double>();
  metrics.grad_norm = report.grad_norm;
  const at::Tensor rank_rows = all.narrow(1, first_time, static_cast<std::int64_t>(times.size())).contiguous();
  const std::span<double> rows = span_of<double>(rank_rows);
  metrics.rank_times.assign(rows.begin(), rows.end());
  return metrics;
}

std::vector<EventScalar> event_scalars(const StepMetrics& metrics) {
  std::vector<EventScalar> scalars;
  const auto add = [&](const std::string& group, const std::string& name, double value) {
    scalars.push_back({group + "/" + name, value});
  };
  for (const Number& number : kNumbers)
    add(number.group, number.name, number.of(metrics));
  if (metrics.feature_rank) add("collapse", "feature_rank", *metrics.feature_rank);
  if (metrics.evaluation) {
    add("evaluation", "knn_top1", metrics.evaluation->top1);
    add("evaluation", "knn_top5", metrics.evaluation->top5);
    add("evaluation", "seconds", metrics.evaluation->seconds);
  }
  add("data", "epoch", static_cast<double>(metrics.epoch));
  add("data", "bad_samples", static_cast<double>(metrics.bad_samples));
  return scalars;
}

namespace {

/// How much of the file stays if the run goes on after `completed` steps: all up to the end of the last whole line of
/// such a step. Lines are looked at from the end, since few are to go.
std::size_t kept_length(const std::filesystem::path& file, std::uint64_t completed) {
  constexpr std::size_t block = std::size_t{1} << 20;
  const FileHandle in(file, O_RDONLY);
  std::size_t begin = in.size();  // Of what is in `tail`.
  std::string tail;
  while (true) {
    const std::size_t whole = tail.rfind('\n') + 1;  // What a crash cut short goes.
    const std::size_t start = whole < 2 ? 0 : tail.rfind('\n', whole - 2) + 1;
    if (start == 0 && begin > 0) {
      std::string more(std::min(block, begin), '\0');
      begin -= more.size();
      in.read_at(std::as_writable_bytes(std::span(more)), begin);
      tail.insert(0, more);
      continue;
    }
    if (whole == 0) return 0;
    const auto line = nlohmann::json::parse(tail.begin() + static_cast<std::ptrdiff_t>(start),
                                            tail.begin() + static_cast<std::ptrdiff_t>(whole), nullptr, false);
    const auto step = line.is_object() ? line.find("step") : line.end();
    if (step != line.end() && step->is_number_unsigned() && step->get<std::uint64_t>() <= completed)
      return begin + whole;
    tail.resize(start);
  }
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& file, std::uint64_t completed_steps) : path_(file) {
  if (std::filesystem::exists(file)) std::filesystem::resize_file(file, kept_length(file, completed_steps));
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
  nlohmann::ordered_json line = {{"step", metrics.step}, {"epoch", metrics.epoch}};
  for (const Number& number : kNumbers)
    line[number.name] = number.of(metrics);
  line["time"] = metrics.time;
  line["bad_samples"] = metrics.bad_samples;
  line["skipped"] = metrics.skipped;
  if (metrics.feature_rank) line["feature_rank"] = *metrics.feature_rank;
  if (!metrics.collapse.empty()) line["collapse"] = metrics.collapse;
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
