// SPDX-License-Identifier: Apache-2.0
#include "train/evaluation.hpp"

#include <algorithm>
#include <cstdio>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/seconds_since.hpp"

namespace msn {

Evaluations::Evaluations(Evaluate evaluate, std::uint64_t every_steps, std::uint64_t last)
    : evaluate_(std::move(evaluate)), every_(every_steps), last_(last) {
  MSN_CHECK(every_ == 0 || evaluate_);
}

bool Evaluations::due_after(std::uint64_t step) const {
  return every_ > 0 && step > 0 && (step % every_ == 0 || step == last_);
}

Evaluation Evaluations::run(std::uint64_t step, std::uint64_t epoch, const TrainState& state, Sections& sections) {
  const auto start = std::chrono::steady_clock::now();
  const InSection inside(&sections, Section::evaluate);
  Evaluation evaluation = evaluate_(state, sections);
  evaluation.seconds = seconds_since(start);
  longest_ = std::max(longest_, evaluation.seconds);
  total_ += evaluation.seconds;
  char numbers[128];
  std::snprintf(numbers, sizeof numbers,
                "%.2f %% top-1 after step %llu, epoch %llu; %.1f s, in all %.1f %% of the time", 100 * evaluation.top1,
                static_cast<unsigned long long>(step), static_cast<unsigned long long>(epoch), evaluation.seconds,
                100 * total_ / std::max(1e-9, seconds_since(start_)));
  log::info(evaluation.text + ": " + numbers);
  return evaluation;
}

void Evaluations::leave_out(std::uint64_t step) const {
  log::warn("the network is not measured after step " + std::to_string(step) + ", as the run ends early");
}

}  // namespace msn
