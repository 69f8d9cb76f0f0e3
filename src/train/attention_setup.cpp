// SPDX-License-Identifier: Apache-2.0
#include "train/attention_setup.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"
#include "train/plan.hpp"
#include "train/setup.hpp"

namespace msn {
namespace {

AttentionBackend backend_for(AttentionChoice choice, const AttentionShape& shape, int compute_capability) {
  switch (choice) {
    case AttentionChoice::automatic:
      return default_attention(shape, compute_capability);
    case AttentionChoice::plain:
      return AttentionBackend::plain;
    case AttentionChoice::flash:
      return AttentionBackend::flash;
    case AttentionChoice::efficient:
      return AttentionBackend::efficient;
    case AttentionChoice::cudnn:
      return AttentionBackend::cudnn;
  }
  throw internal_error("a choice of attention that has no back end");
}

/// The default is one for all ranks, though their GPUs may differ.
int lowest(const World& world, int compute_capability) {
  int found = compute_capability;
  for (const std::string& text : world.gather(std::to_string(compute_capability)))
    found = std::min(found, std::stoi(text));
  return found;
}

std::string errors_of(const std::vector<AttentionTrial>& trials) {
  double output = 0, gradients = 0;
  for (const AttentionTrial& trial : trials) {
    output = std::max(output, trial.output_error);
    gradients = std::max(gradients, trial.gradient_error);
  }
  char text[128];
  std::snprintf(text, sizeof text, "%.1e in outputs, %.1e in gradients", output, gradients);
  return text;
}

/// What was asked for and is not taken, of the first rank that has it so.
void warn_of_problems(const World& world, const std::vector<AttentionTrial>& trials) {
  for (const AttentionTrial& trial : trials) {
    const std::vector<std::string> problems = world.gather(trial.problem);
    const auto first =
        std::find_if(problems.begin(), problems.end(), [](const std::string& text) { return !text.empty(); });
    if (first == problems.end() || world.rank() != 0) continue;
    log::warn("attention of " + to_text(trial.shape) + " is plain, not " + std::string(name_of(trial.asked)) +
              ", which on rank " + std::to_string(first - problems.begin()) + " is not to be used: " + *first);
  }
}

}  // namespace

std::vector<AttentionShape> attention_shapes(const Config& config, int ranks) {
  const RunPlan plan = plan_run(config, ranks, static_cast<std::uint64_t>(config.train.global_batch));
  std::vector<AttentionShape> shapes;
  for (const std::int64_t tokens : {plan.target_tokens, plan.random_tokens, plan.focal_tokens}) {
    const AttentionShape shape{compute_type(config.train.precision), tokens, config.model.width / config.model.heads};
    if (tokens > 0 && std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
  }
  return shapes;
}

void set_up_attention(const World& world, const Config& config, at::Device device, int compute_capability,
                      const AttentionFunctions& functions) {
  const int capability = lowest(world, compute_capability);
  std::vector<AttentionTrial> trials;
  AttentionTable table;
  world.agree([&] {
    for (const AttentionShape& shape : attention_shapes(config, world.size())) {
      const AttentionBackend backend = backend_for(config.runtime.attention, shape, capability);
      trials.push_back(try_attention(shape, config.model.heads, backend, device, functions));
      table.set(shape, trials.back().taken);
    }
  });
  for (const std::string& other : world.gather(to_text(table)))
    table = common_to(table, attention_table_from(other).value());
  set_attention(table);
  warn_of_problems(world, trials);
  if (world.rank() == 0) {
    log::info("attention by " + to_text(table) +
              ", the last block's class token plain; largest differences from plain: " + errors_of(trials));
  }
}

}  // namespace msn
