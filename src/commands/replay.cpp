// SPDX-License-Identifier: Apache-2.0
#include "commands/replay.hpp"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"

namespace msn {

namespace {

using Json = nlohmann::ordered_json;

/// JSON has no other numbers.
Json number_or_text(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

void print_table(const StepBundle& step) {
  std::printf("rank  loss          cross-entropy  me-max        entropy       samples   host\n");
  for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
    const RankNumbers& numbers = step.ranks[rank];
    std::printf("%-5zu %-13.6g %-14.6g %-13.6g %-13.6g %-9zu %s\n", rank, numbers.parts.loss,
                numbers.parts.cross_entropy, numbers.parts.me_max, numbers.parts.entropy, numbers.samples.size(),
                one_line(numbers.host).c_str());
  }
  std::printf("gradient norm %g\n", step.grad_norm);
  for (const NotFinite& tensor : step.tensors) {
    std::printf("not finite: %llu of the gradient of %s\n", static_cast<unsigned long long>(tensor.count),
                one_line(tensor.name).c_str());
  }
}

void print_json(const ReplayResult& result, const ReplayOptions& options) {
  Json ranks = Json::array();
  for (std::size_t rank = 0; rank < result.replayed.ranks.size(); ++rank) {
    const RankNumbers& numbers = result.replayed.ranks[rank];
    Json one{{"rank", rank}, {"host", numbers.host}};
    for (const NamedPart& part : loss_parts())
      one[std::string(part.name)] = number_or_text(numbers.parts.*part.value);
    ranks.push_back(one);
  }
  const Json line = {{"command", "train --replay"},
                     {"bundle", options.bundle.string()},
                     {"step", result.recorded.step},
                     {"first_step", result.first_step},
                     {"reproduced", result.differences.empty()},
                     {"to_the_bit", result.match == Match::bits},
                     {"differences", result.differences},
                     {"grad_norm", number_or_text(result.replayed.grad_norm)},
                     {"tensors_not_finite", result.replayed.tensors.size()},
                     {"ranks", ranks}};
  std::printf("%s\n", line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

void replay_step(const World& world, const Config& config, const ReplayOptions& options, bool json) {
  const ReplayResult result = replay(world, config, options);
  const std::vector<std::string>& differences = result.differences;
  const std::string step = "step " + std::to_string(result.recorded.step);
  if (world.rank() == 0) {
    print_table(result.replayed);
    if (!result.why_not_bits.empty())
      std::printf("only equal up to rounding is promised: %s\n", one_line(result.why_not_bits).c_str());
    for (const std::string& difference : differences)
      std::printf("differs: %s\n", one_line(difference).c_str());
    if (differences.empty()) {
      const std::string finding = what_is_not_finite(result.replayed);
      std::printf("reproduced: %s in %s, as recorded\n", one_line(finding).c_str(), step.c_str());
    }
    if (json) print_json(result, options);
    std::fflush(stdout);
  }
  if (differences.empty()) return;
  const std::size_t more = differences.size() - 1;
  throw AgreedError(numerics_error(
      step + " does not come out as recorded: " + differences.front() +
          (more > 0 ? ", and " + std::to_string(more) + (more == 1 ? " more difference" : " more differences") : ""),
      options.bundle.string(),
      result.match == Match::bits ? "the same program gave other numbers: suspect the memory or processor of a host"
                                  : "run it again with the ranks, threads and program that made the bundle"));
}

}  // namespace msn
