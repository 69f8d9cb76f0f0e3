// SPDX-License-Identifier: Apache-2.0
#include "planning/assumptions.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"

namespace msn {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kRemedy[] = "give a file with what msn bench step, allreduce or input prints with --json";

/// As the line's provenance tells; older versions told none.
std::optional<int> most_ranks_of_a_host(const Json& line) {
  std::optional<int> most;
  if (!line.contains("provenance")) return most;
  for (const Json& host : line.at("provenance").at("hosts"))
    most = std::max(most.value_or(0), host.at("ranks").get<int>());
  return most;
}

MeasuredStep step_of(const Json& line, const std::string& source) {
  MeasuredStep step;
  step.source = source;
  step.config = parse_config(line.at("config").get<std::string>(), source);
  step.ranks = line.at("ranks").get<int>();
  step.ranks_per_host = most_ranks_of_a_host(line).value_or(step.ranks);
  step.threads = line.at("threads").get<int>();
  step.on_gpu = line.at("on_gpu").get<bool>();
  step.seconds = line.at("step_seconds").get<double>();
  step.peak_memory = line.at("peak_memory_bytes").get<double>();
  step.gemm_rate = line.value("gemm_flops_per_second", 0.0) / step.ranks;
  step.copy_rate = line.value("copy_bytes_per_second", 0.0) / step.ranks;
  const auto seconds = [&](const char* kind) {
    const auto& work = line.at("work");
    return work.contains(kind) ? work.at(kind).at("seconds").get<double>() : 0;
  };
  step.products = seconds("product") + seconds("attention");
  step.update = seconds("optimizer");
  step.waiting = seconds("waiting") + seconds("gradient_sum");
  return step;
}

void add_sums(Assumptions& assumptions, const Json& line, const std::string& source) {
  const int ranks = line.at("ranks").get<int>();
  for (const Json& row : line.at("rates")) {
    const double bytes = row.at("bytes").get<double>();
    const double seconds = row.at("seconds").get<double>();
    const auto same = std::ranges::find_if(assumptions.sums,
                                           [&](const auto& sum) { return sum.ranks == ranks && sum.bytes == bytes; });
    if (same == assumptions.sums.end()) {
      assumptions.sums.push_back({source, ranks, bytes, seconds});
    } else if (seconds < same->seconds) {
      *same = {source, ranks, bytes, seconds};
    }
  }
  std::ranges::sort(assumptions.sums, {}, [](const auto& sum) { return std::pair(sum.ranks, sum.bytes); });
}

/// Whether it is a line that tells something.
bool take(Assumptions& assumptions, const Json& line, const std::string& source) {
  if (!line.is_object() || !line.contains("command")) return false;
  const auto command = line.at("command").get<std::string>();
  if (command == "bench step") {
    assumptions.steps.push_back(step_of(line, source));
  } else if (command == "bench allreduce") {
    add_sums(assumptions, line, source);
  } else if (command == "bench input") {
    assumptions.images_per_core = {line.at("patch_rows").at("images_per_cpu_second").get<double>(), source};
  } else {
    return false;
  }
  return true;
}

}  // namespace

void calibrate(Assumptions& assumptions, const std::filesystem::path& file) {
  std::istringstream lines(read_text(file, std::size_t{1} << 24));
  const std::string source = file.string();
  bool known = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('{')) continue;
    try {
      known = take(assumptions, parse_json(line, source, kRemedy), source) || known;
    } catch (const nlohmann::json::exception& error) {
      throw data_error(std::string("a line is no measurement: ") + error.what(), source, kRemedy);
    }
  }
  if (!known) throw data_error("the file has no measurement", source, kRemedy);
}

}  // namespace msn
