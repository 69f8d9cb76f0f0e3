// SPDX-License-Identifier: Apache-2.0
#include "train/step_benchmark.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/machine_use.hpp"
#include "base/seconds_since.hpp"
#include "data/sampler.hpp"
#include "model/gemm.hpp"
#include "objective/schedules.hpp"
#include "train/device_event.hpp"
#include "train/gemm_setup.hpp"
#include "train/input.hpp"
#include "train/optimizer.hpp"
#include "train/placement.hpp"
#include "train/plain_copy.hpp"
#include "train/plan.hpp"
#include "train/setup.hpp"
#include "train/state.hpp"
#include "train/tensor_memory.hpp"
#include "train/threads.hpp"

namespace msn {

namespace {

using Clock = std::chrono::steady_clock;

/// FLOP/s of this rank in a product of two square matrices, by the back end of the model's.
double gemm_rate(const World& world, at::ScalarType type, at::Device device) {
  const std::int64_t side = device.is_cpu() ? 1536 : 8192;
  constexpr int repeats = 8;
  const at::Tensor x = at::ones({side, side}, at::TensorOptions().dtype(type).device(device));
  const at::Tensor weight = at::ones_like(x);
  DeviceEvent done(device);
  const auto multiply = [&] {
    product(x, weight.t());
    done.record();
    done.wait();
  };
  multiply();  // Allocates, and makes the kernel.
  double best = 0;
  for (int i = 0; i < repeats; ++i) {
    world.barrier();  // The cores of a host slow each other down: all are at work.
    const Clock::time_point began = Clock::now();
    multiply();
    best = std::max(best, 2.0 * std::pow(static_cast<double>(side), 3) / seconds_since(began));
  }
  return best;
}

double peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

/// What of this process is in memory now, as getrusage() counts it.
double resident_memory() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// CPU seconds between two readings.
struct CpuUse {
  double wall = 0;     ///< Seconds by the clock.
  double machine = 0;  ///< All of the machine's; 0: not told.
  double own = 0;      ///< This process's.
};

CpuUse cpu_use_now() {
  const auto now = Clock::now().time_since_epoch();
  return {std::chrono::duration<double>(now).count(), machine_cpu_seconds(), own_cpu_seconds()};
}

CpuUse operator-(const CpuUse& a, const CpuUse& b) {
  return {a.wall - b.wall, a.machine - b.machine, a.own - b.own};
}

/// What one rank measured.
struct OfRank {
  std::string host;
  int cores = 1;  ///< Of the host.
  CpuUse use;     ///< While the steps were taken that count.
  double input_wait = 0;
  std::vector<double> steps;
  SectionTimes sections;
  kernels::WorkTimes work;
  double gemm_rate = 0;
  double copy_rate = 0;
  StepMemory memory;
};

nlohmann::json to_json(const kernels::WorkTimes& times) {
  nlohmann::json all = nlohmann::json::array();
  for (const kernels::WorkTime& time : times)
    all.push_back({time.seconds, time.bytes, time.flops, time.calls});
  return all;
}

kernels::WorkTimes work_from(const nlohmann::json& json) {
  kernels::WorkTimes times;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const nlohmann::json& time = json.at(i);
    times[i] = {time.at(0), time.at(1), time.at(2), time.at(3)};
  }
  return times;
}

std::string to_text(const OfRank& rank) {
  return nlohmann::json{{"host", rank.host},
                        {"cores", rank.cores},
                        {"use", {rank.use.wall, rank.use.machine, rank.use.own}},
                        {"input_wait", rank.input_wait},
                        {"steps", rank.steps},
                        {"busy", rank.sections.busy},
                        {"waiting", rank.sections.waiting},
                        {"work", to_json(rank.work)},
                        {"gemm_rate", rank.gemm_rate},
                        {"copy_rate", rank.copy_rate},
                        {"memory",
                         {rank.memory.after_construction, rank.memory.moments, rank.memory.peak, rank.memory.arena_peak,
                          rank.memory.arena_committed, rank.memory.arena_growths, rank.memory.arena_refused}}}
      .dump();
}

OfRank rank_from(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  OfRank rank;
  json.at("host").get_to(rank.host);
  json.at("cores").get_to(rank.cores);
  const auto use = json.at("use").get<std::array<double, 3>>();
  rank.use = {use[0], use[1], use[2]};
  json.at("input_wait").get_to(rank.input_wait);
  json.at("steps").get_to(rank.steps);
  json.at("busy").get_to(rank.sections.busy);
  json.at("waiting").get_to(rank.sections.waiting);
  rank.work = work_from(json.at("work"));
  json.at("gemm_rate").get_to(rank.gemm_rate);
  json.at("copy_rate").get_to(rank.copy_rate);
  const auto memory = json.at("memory").get<std::array<double, 7>>();
  rank.memory = {memory[0], memory[1], memory[2], memory[3], memory[4], memory[5], memory[6]};
  return rank;
}

OfRank take_steps(const World& world, const Config& config, const StepBenchmarkOptions& options, Placement& placement) {
  OfRank mine;
  const at::ScalarType type = scalar_type(config.train.precision);
  Heartbeat heartbeat{};
  Sections sections(heartbeat, world.recorder(), world.rank());
  const auto waited = [&] { return placement.of_host().wait_seconds(); };
  sections.measure_waits_by(waited);
  const kernels::WaitsOutOfWork waits(waited);
  TrainState state(vit_shape(config.model), config.model.prototypes, type, placement.device());
  load_state(world, config, std::nullopt, state);
  mine.memory.after_construction = resident_memory();
  mine.memory.moments = static_cast<double>(state.exp_avg.nbytes() + state.exp_avg_sq.nbytes());
  const TrainingInput input = open_input(world, config, 0);
  const std::vector<Normaliser> of_sets = normalisers(input);
  const std::unique_ptr<BatchSource> batches = make_batches(input, config, world, 0, placement.device());
  const Schedules schedules(config.optim, config.loss, config.train,
                            static_cast<std::int64_t>(steps_per_epoch(input.epoch_images, config.train.global_batch)));
  std::unique_ptr<Steps> steps;
  world.agree([&] {
    check_precision(config, placement.device());
    steps = placement.make_steps(
        {state, config, placement.of_state(), schedules, *batches, of_sets, world.rank(), &sections});
  });
  std::uint64_t growths = tensor_memory().growths;
  CpuUse use_before = cpu_use_now();
  const int all = options.warm_up + options.steps;
  Clock::time_point before = Clock::now();
  for (int begun = 0, finished = 0; finished < all;) {
    if (begun < all && steps->under_way() <= placement.run_ahead(config)) {
      if (begun++ == options.warm_up) {
        sections.take_times();
        kernels::take_work_times();
        use_before = cpu_use_now();
      }
      steps->begin();
      continue;
    }
    DoneStep done = steps->finish();
    if (!done.report.finite) {
      throw AgreedError(numerics_error("the benchmark's step is not finite", "step " + std::to_string(finished + 1),
                                       "lower optim.lr or optim.clip in the configuration"));
    }
    if (finished >= options.warm_up) mine.input_wait += done.batch.wait_seconds / options.steps;
    steps->recycle(std::move(done.batch));
    if (finished++ >= options.warm_up) mine.steps.push_back(seconds_since(before));
    if (finished == 1) growths = tensor_memory().growths;
    before = Clock::now();
  }
  mine.use = cpu_use_now() - use_before;
  mine.host = world.host();
  mine.cores = online_cores();
  mine.sections = sections.take_times();
  mine.work = kernels::take_work_times();
  const ArenaUsage arena = tensor_memory();
  mine.memory.peak = peak_memory();
  mine.memory.arena_peak = static_cast<double>(arena.peak_in_use);
  mine.memory.arena_committed = static_cast<double>(arena.committed);
  mine.memory.arena_growths = static_cast<double>(arena.growths - growths);
  mine.memory.arena_refused = static_cast<double>(arena.refused);
  steps.reset();
  mine.gemm_rate = gemm_rate(world, compute_type(config.train.precision), placement.device());
  if (!placement.on_gpu()) {
    // As much memory as the optimiser moves is, but for the smallest models, more than caches hold.
    const OptimizerOptions optimizer{config.optim.clip, config.model.freeze_prototypes, world.size()};
    mine.copy_rate = copy_rate(world, optimizer_bytes(state, optimizer, false));
  }
  return mine;
}

/// Of the host where it is largest.
double share_of_others(const std::vector<OfRank>& ranks) {
  std::map<std::string, OfRank> hosts;  // Each with the CPU seconds of all its ranks.
  for (const OfRank& rank : ranks) {
    const auto [at, is_new] = hosts.try_emplace(rank.host, rank);
    if (!is_new) at->second.use.own += rank.use.own;
  }
  double most = 0;
  for (const auto& [name, host] : hosts)
    most = std::max(most, (host.use.machine - host.use.own) / (host.use.wall * host.cores));
  return most;
}

}  // namespace

StepBenchmark benchmark_step(const World& world, const Config& config, const StepBenchmarkOptions& options) {
  StepBenchmark result;
  world.agree([&] {
    const RunPlan plan = plan_run(config, world.size(), kImageNetImages);
    result.flops = plan.image_flops_as_run * config.train.global_batch;
  });
  Placement placement(world, options.gpu);
  result.device = placement.description();
  result.on_gpu = placement.on_gpu();
  result.threads = set_up_threads(world, config.runtime.threads);
  tell(set_up_gemm(world, config.runtime.gemm));
  placement.set_up(world, config);
  result.step_seconds.resize(static_cast<std::size_t>(options.steps));
  std::vector<OfRank> ranks;
  for (const std::string& text : world.gather(to_text(take_steps(world, config, options, placement))))
    ranks.push_back(rank_from(text));
  for (const OfRank& rank : ranks) {
    for (std::size_t i = 0; i < result.step_seconds.size(); ++i)
      result.step_seconds[i] = std::max(result.step_seconds[i], rank.steps[i]);
    const double share = 1.0 / (options.steps * world.size());
    for (std::size_t s = 0; s < kSections; ++s) {
      result.sections.busy[s] += share * rank.sections.busy[s];
      result.sections.waiting[s] += share * rank.sections.waiting[s];
    }
    for (std::size_t w = 0; w < kernels::kWorks; ++w) {
      result.work[w].seconds += share * rank.work[w].seconds;
      result.work[w].bytes += share * rank.work[w].bytes;
      result.work[w].flops += share * rank.work[w].flops;
      result.work[w].calls += share * rank.work[w].calls;
    }
    result.input_wait += rank.input_wait / world.size();
    result.gemm_rate += rank.gemm_rate;
    result.copy_rate += rank.copy_rate;
    if (rank.memory.peak > result.memory.peak) result.memory = rank.memory;
  }
  result.others_share = share_of_others(ranks);
  placement.shutdown();
  return result;
}

double floor_seconds(const kernels::WorkTime& work, const StepBenchmark& result, int ranks) {
  if (result.on_gpu) return 0;
  return std::max(work.flops / (result.gemm_rate / ranks), work.bytes / (result.copy_rate / ranks));
}

}  // namespace msn
