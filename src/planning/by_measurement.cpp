// SPDX-License-Identifier: Apache-2.0
#include "planning/by_measurement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "train/setup.hpp"

namespace msn {
namespace {

/// How far two numbers are apart: 0 for equal ones, 0.69 for one and its double.
double apart(double a, double b) {
  return std::abs(std::log(a / b));
}

struct Known {
  const MeasuredStep* step = nullptr;
  RunPlan plan;
  StepWork work;
};

std::vector<Known> known_steps(const Assumptions& assumptions, bool on_gpu, std::uint64_t images) {
  std::vector<Known> all;
  for (const MeasuredStep& step : assumptions.steps) {
    if (step.on_gpu != on_gpu) continue;
    RunPlan plan = plan_run(step.config, step.ranks, images, on_gpu);
    const StepWork work = work_of(step.config, plan);
    all.push_back({&step, std::move(plan), work});
  }
  return all;
}

double models_apart(const Config& a, const Config& b) {
  const VitShape first = vit_shape(a.model), second = vit_shape(b.model);
  const auto number = [](std::int64_t value) { return static_cast<double>(value); };
  return apart(number(first.width), number(second.width)) + apart(number(first.grid), number(second.grid)) +
         0.5 * apart(number(first.depth), number(second.depth));
}

/// Loader threads share the cores with those that compute.
double inputs_apart(const Config& a, const Config& b) {
  return a.data.input != b.data.input ? 0.5 : 0;
}

/// 0 between steps of one precision on as many threads.
double kinds_apart(const MeasuredStep& step, const Config& config) {
  const int threads = config.runtime.threads;
  return 100.0 * (step.config.train.precision != config.train.precision) +
         (threads > 0 ? 10 * apart(step.threads, threads) : 0);
}

const Known* nearest(const std::vector<Known>& all, const Config& config, const RunPlan& plan,
                     const PlannedMachine& machine) {
  const auto distance = [&](const Known& known) {
    return kinds_apart(*known.step, config) + 4 * models_apart(known.step->config, config) +
           inputs_apart(known.step->config, config) + apart(known.step->ranks_per_host, machine.ranks_per_node) +
           0.5 * apart(known.step->ranks, machine.ranks) +
           0.2 * apart(static_cast<double>(known.plan.local_batch), static_cast<double>(plan.local_batch));
  };
  const Known* found = nullptr;
  for (const Known& known : all) {
    if (found == nullptr || distance(known) < distance(*found)) found = &known;
  }
  return found;
}

/// What lies between products, in seconds.
double between(const MeasuredStep& step) {
  return step.seconds - step.products - step.update - step.waiting;
}

/// How many times longer a unit of work of each part takes in one measured step than in another.
double longer(double a, double of_a, double b, double of_b) {
  return b > 0 ? a / of_a / (b / of_b) : 1;
}
double products_longer(const Known& a, const Known& b) {
  return longer(a.step->products, a.work.operations, b.step->products, b.work.operations);
}
double between_longer(const Known& a, const Known& b) {
  return longer(between(*a.step), a.work.values, between(*b.step), b.work.values);
}

/// How many times longer the parts take among the planned ranks of a host than among the measured ones.
struct Slowdown {
  double products = 1;
  double between = 1;
  double update = 1;
  std::optional<double> waits;  ///< Seconds of waiting for a second of the rest.
  std::string by;
};

struct Pair {
  const Known* here;   ///< Like the measured step.
  const Known* there;  ///< Like the planned one.
};

/// Of two measurements of one model each, of the kind of `config`, those with the least distance(here, there);
/// infinity: such a pair tells nothing.
template <class Distance>
std::optional<Pair> nearest_pair(const std::vector<Known>& all, const Config& config, const Distance& distance) {
  std::optional<Pair> found;
  double least = std::numeric_limits<double>::infinity();
  for (const Known& there : all) {
    if (kinds_apart(*there.step, config) > 1e-9) continue;
    for (const Known& here : all) {
      if (kinds_apart(*here.step, config) > 1e-9) continue;
      if (models_apart(there.step->config, here.step->config) > 1e-9) continue;
      const double apart_by = distance(here, there);
      if (apart_by >= least) continue;
      least = apart_by;
      found = Pair{&here, &there};
    }
  }
  return found;
}

std::string as_between(const Pair& pair) {
  return "as between " + pair.here->step->source + " and " + pair.there->step->source;
}

/// By two measurements of one model, whichever is most like the planned one.
std::optional<Slowdown> by_a_pair(const std::vector<Known>& all, const MeasuredStep& step, const Config& config,
                                  const PlannedMachine& machine) {
  const auto pair = nearest_pair(all, config, [&](const Known& here, const Known& there) {
    if (there.step->ranks_per_host != machine.ranks_per_node || here.step->ranks_per_host != step.ranks_per_host)
      return std::numeric_limits<double>::infinity();
    return models_apart(there.step->config, config) + inputs_apart(there.step->config, here.step->config) +
           0.5 * inputs_apart(there.step->config, config) +
           apart(static_cast<double>(there.plan.local_batch), static_cast<double>(here.plan.local_batch));
  });
  if (!pair) return std::nullopt;
  const Known& there = *pair->there;
  const Known& here = *pair->here;
  Slowdown slowdown;
  slowdown.products = products_longer(there, here);
  slowdown.between = between_longer(there, here);
  slowdown.update = longer(there.step->update, there.work.parameters, here.step->update, here.work.parameters);
  if (there.step->ranks == machine.ranks)
    slowdown.waits = there.step->waiting / (there.step->seconds - there.step->waiting);
  slowdown.by = as_between(*pair);
  return slowdown;
}

/// By the rates of products and copies.
std::optional<Slowdown> by_rates(const std::vector<Known>& all, const MeasuredStep& step, const Config& config,
                                 const PlannedMachine& machine) {
  for (const Known& there : all) {
    if (there.step->ranks_per_host != machine.ranks_per_node || kinds_apart(*there.step, config) > 1e-9) continue;
    if (step.gemm_rate <= 0 || step.copy_rate <= 0 || there.step->gemm_rate <= 0 || there.step->copy_rate <= 0)
      continue;
    const double memory = step.copy_rate / there.step->copy_rate;
    return Slowdown{step.gemm_rate / there.step->gemm_rate, memory, memory, std::nullopt,
                    "as large products and plain copies of " + there.step->source};
  }
  return std::nullopt;
}

/// Whatever the number of ranks.
StepParts in_proportion(const MeasuredStep& step, const StepWork& measured, const StepWork& planned) {
  StepParts parts;
  const double operations = planned.operations / measured.operations;
  if (step.products == 0) {  // Of a GPU's step only the whole is known.
    parts.products = (step.seconds - step.waiting) * operations;
    return parts;
  }
  parts.products = step.products * operations;
  parts.between = between(step) * planned.values / measured.values;
  parts.update = step.update * planned.parameters / measured.parameters;
  return parts;
}

void correct_for_threads(const MeasuredStep& step, const Config& config, StepByMeasurement& result) {
  const int threads = config.runtime.threads;
  if (threads == 0 || threads == step.threads) return;
  const double factor = static_cast<double>(step.threads) / threads;
  result.parts.products *= factor;
  result.parts.between *= factor;
  result.parts.update *= factor;
  result.notes.push_back(std::to_string(threads) + " threads a rank were not measured, but " +
                         std::to_string(step.threads) + ": times in proportion to them are a guess");
}

/// Few images of a rank take longer each than many, which two steps of another model may tell.
void correct_for_batch(const std::vector<Known>& all, const Known& like, const Config& config, const RunPlan& plan,
                       StepByMeasurement& result) {
  const auto pair = nearest_pair(all, config, [&](const Known& here, const Known& there) {
    if (there.plan.local_batch != plan.local_batch || here.plan.local_batch != like.plan.local_batch ||
        here.step->ranks_per_host != there.step->ranks_per_host ||
        inputs_apart(there.step->config, here.step->config) > 0)
      return std::numeric_limits<double>::infinity();
    return models_apart(there.step->config, config) + inputs_apart(there.step->config, config) +
           apart(there.step->ranks_per_host, like.step->ranks_per_host);
  });
  if (!pair) return;
  result.parts.products *= products_longer(*pair->there, *pair->here);
  result.parts.between *= between_longer(*pair->there, *pair->here);
  result.notes.push_back(std::to_string(plan.local_batch) + " images of a rank instead of " +
                         std::to_string(like.plan.local_batch) + ": " + as_between(*pair));
}

void correct_for_ranks(const std::vector<Known>& all, const MeasuredStep& step, const Config& config,
                       const PlannedMachine& machine, StepByMeasurement& result) {
  const std::string ranks =
      std::to_string(machine.ranks_per_node) + " ranks of a host instead of " + std::to_string(step.ranks_per_host);
  std::optional<Slowdown> slowdown = by_a_pair(all, step, config, machine);
  if (!slowdown) slowdown = by_rates(all, step, config, machine);
  if (!slowdown) {
    result.notes.push_back(ranks +
                           ", which slow each other down by nobody knows how much: measure a step among as many");
    return;
  }
  result.parts.products *= slowdown->products;
  result.parts.between *= slowdown->between;
  result.parts.update *= slowdown->update;
  result.notes.push_back(ranks + ": " + slowdown->by);
  if (slowdown->waits) {
    result.parts.small = *slowdown->waits * result.parts.compute();
    result.has_waits = true;
  }
}

}  // namespace

StepWork work_of(const Config& config, const RunPlan& plan) {
  const VitShape shape = vit_shape(config.model);
  const auto images = static_cast<double>(plan.local_batch);
  return {plan.image_flops_as_run * images,
          token_passes(config, plan) * images * static_cast<double>(shape.depth * shape.width),
          static_cast<double>(plan.parameters())};
}

std::optional<StepByMeasurement> step_by_measurement(const Config& config, const RunPlan& plan,
                                                     const PlannedMachine& machine, const Assumptions& assumptions,
                                                     std::uint64_t images) {
  const bool on_gpu = machine.gpu != nullptr;
  const std::vector<Known> all = known_steps(assumptions, on_gpu, images);
  const Known* like = nearest(all, config, plan, machine);
  if (like == nullptr) return std::nullopt;
  const MeasuredStep& step = *like->step;
  StepByMeasurement result;
  result.step = &step;
  result.parts = in_proportion(step, like->work, work_of(config, plan));
  result.notes.push_back("a step's time in proportion to that of " + step.source);
  if (on_gpu) return result;
  result.library_memory = step.peak_memory - memory_of_steps(like->plan.memory);
  if (step.ranks == machine.ranks) {
    result.parts.small = step.waiting;
    result.has_waits = true;
  }
  correct_for_threads(step, config, result);
  if (like->plan.local_batch != plan.local_batch && step.products > 0)
    correct_for_batch(all, *like, config, plan, result);
  if (step.ranks_per_host != machine.ranks_per_node) correct_for_ranks(all, step, config, machine, result);
  return result;
}

double memory_of_steps(const MemoryPlan& plan) {
  return plan.step.total() + plan.host.of(MemoryUse::batches_ahead);
}

}  // namespace msn
