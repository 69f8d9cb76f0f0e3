// SPDX-License-Identifier: Apache-2.0
#include "train/run_memory.hpp"

#include <algorithm>
#include <charconv>
#include <new>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/memory.hpp"
#include "data/sampler.hpp"

namespace msn {

namespace {

std::string in_words(const MemoryAtHand& at_hand) {
  return size_text(at_hand.free) + " free of " + size_text(at_hand.total);
}

std::string most_of(const MemoryPlan& plan) {
  const MemoryUse use = plan.step.largest();
  return "most of it " + std::string(name_of(use)) + " (" + size_text(plan.step.of(use)) + ")";
}

/// "2.00 GiB", "268435456 bytes": what follows `lead` in `text`.
std::optional<double> size_after(std::string_view text, std::string_view lead) {
  text.remove_prefix(text.find(lead) + lead.size());
  double number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  constexpr double k = 1024;
  for (const auto& [unit, factor] : {std::pair{" bytes", 1.0}, {" KiB", k}, {" MiB", k * k}, {" GiB", k * k * k}}) {
    if (text.starts_with(unit)) return number * factor;
  }
  return std::nullopt;
}

double free_bytes_now(bool on_gpu) {
  try {
    return on_gpu ? static_cast<double>(gpu_memory().free) : static_cast<double>(available_memory());
  } catch (const Error&) {
    return 0;  // After an error CUDA may refuse to answer.
  }
}

}  // namespace

std::string settings_that_fit(const Config& config, const PlannedRank& rank, double bytes) {
  const MemoryPlan now = plan_memory(config, rank);
  const auto bytes_with = [&](const Config& other) { return plan_memory(other, rank).device_bytes(); };
  std::vector<std::string> ways;
  Config other = config;
  const std::int64_t at_once = config.train.micro_batch == 0 ? rank.local_batch : config.train.micro_batch;
  if (const auto micro = largest_micro_batch(config, rank, bytes); micro && *micro < at_once) {
    other.train.micro_batch = static_cast<int>(*micro);
    ways.push_back("train.micro_batch to " + std::to_string(*micro) + " (" + size_text(bytes_with(other)) + ")");
    other = config;
  }
  if (!config.train.recompute) {
    other.train.recompute = true;
    if (const double with = bytes_with(other); with <= bytes)
      ways.push_back("train.recompute to true (" + size_text(with) + ")");
    other = config;
  }
  if (config.train.precision != Precision::bf16) {
    other.train.precision = Precision::bf16;
    const double with = bytes_with(other);
    if (with <= bytes && with < now.device_bytes())
      ways.push_back("train.precision to \"bf16\" (" + size_text(with) + ")");
  }
  if (const std::int64_t most = largest_local_batch(config, rank, bytes); most > 0 && most < rank.local_batch) {
    ways.push_back("train.global_batch to " + std::to_string(most * rank.ranks) + ", or start " +
                   std::to_string((rank.local_batch * rank.ranks + most - 1) / most) + " ranks or more instead of " +
                   std::to_string(rank.ranks));
  }
  if (ways.empty()) {
    return "no setting of train.micro_batch, train.precision or train.global_batch makes it fit: take a smaller model, "
           "or " +
           std::string(rank.on_gpu ? "a GPU with more memory" : "a host with more memory or fewer ranks on it");
  }
  std::string text = "set ";
  for (std::size_t i = 0; i < ways.size(); ++i)
    text += (i == 0 ? "" : i + 1 == ways.size() ? ", or " : ", ") + ways[i];
  return text;
}

std::string check_memory(const Config& config, const PlannedRank& rank, const MemoryAtHand& at_hand) {
  const MemoryPlan plan = plan_memory(config, rank);
  const double needed = plan.device_bytes();
  if (needed <= at_hand.free) return {};
  const std::string what =
      "a rank needs " + size_text(needed) + " by the plan, " + most_of(plan) + ", and there are " + in_words(at_hand);
  const std::string remedy = settings_that_fit(config, rank, at_hand.free);
  if (rank.on_gpu && needed > kRefuseBeyond * at_hand.free) throw config_error(what, at_hand.where, remedy);
  return what + " (" + at_hand.where + "): " + remedy;
}

std::optional<MemoryRefusal> memory_refusal(std::string_view message) {
  const auto says = [&](std::string_view words) { return message.find(words) != std::string_view::npos; };
  for (const std::string_view lead :
       {"CUDA out of memory. Tried to allocate ", "HIP out of memory. Tried to allocate "}) {
    if (says(lead)) return MemoryRefusal{true, size_after(message, lead)};
  }
  for (const char* words : {"CUDA error: out of memory", "CUDA failed: out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
                            "CUDNN_STATUS_ALLOC_FAILED"}) {
    if (says(words)) return MemoryRefusal{true, std::nullopt};
  }
  constexpr std::string_view host = "can't allocate memory: you tried to allocate ";
  if (says(host)) return MemoryRefusal{false, size_after(message, host)};
  if (says("std::bad_alloc")) return MemoryRefusal{false, std::nullopt};
  return std::nullopt;
}

Error out_of_memory(const MemoryRefusal& refusal, const Config& config, const PlannedRank& rank,
                    const MemoryAtHand& at_hand, double free_now) {
  const MemoryPlan plan = plan_memory(config, rank);
  const double planned = refusal.on_gpu ? plan.device_bytes() : plan.host_bytes();
  std::string what = std::string("out of memory") + (refusal.on_gpu == rank.on_gpu ? "" : " of the host") + ": " +
                     (refusal.asked ? size_text(*refusal.asked) : std::string("something")) +
                     " was asked and refused; " + size_text(planned) + " were planned for a rank, " + most_of(plan);
  if (refusal.on_gpu == rank.on_gpu) what += ", and " + in_words(at_hand) + " were there at the start";
  if (free_now > 0) what += ", now " + size_text(free_now) + " are free";
  // What was planned did not do: something else takes memory too, or the plan is wrong by a little.
  const double limit = std::min(at_hand.free, 0.8 * plan.device_bytes());
  return config_error(what, at_hand.where, settings_that_fit(config, rank, limit));
}

RunMemory::RunMemory(const World& world, const Config& config, const Gpu* gpu) : config_(config) {
  const auto images = static_cast<std::uint64_t>(config.train.global_batch);
  rank_ = {world.size(), share_of_step(0, images, config.train.global_batch, 0, world.size()).count, gpu != nullptr};
  std::string warning;
  world.agree([&] {
    at_hand_.where = "host " + world.host();
    if (gpu != nullptr) {
      const GpuMemory memory = gpu_memory();
      at_hand_ = {"GPU " + gpu->name + " " + gpu->pci + " of " + at_hand_.where, static_cast<double>(memory.total),
                  static_cast<double>(memory.free)};
    } else {
      const auto free = static_cast<double>(available_memory());
      at_hand_.total = static_cast<double>(total_memory());
      at_hand_.free = free / world.local_size();
      if (world.local_size() > 1) at_hand_.where += ", each of " + std::to_string(world.local_size()) + " ranks";
    }
    warning = check_memory(config, rank_, at_hand_);
  });
  const std::vector<std::string> lines = plan_lines(plan_memory(config, rank_));
  log::info("memory planned for a rank: " + lines[0]);
  log::info("memory planned for a rank: " + lines[1] + "; " + in_words(at_hand_) + " on " + at_hand_.where);
  const std::vector<std::string> warnings = world.gather(warning);
  const auto first = std::find_if(warnings.begin(), warnings.end(), [](const auto& text) { return !text.empty(); });
  if (first != warnings.end()) log::warn(*first);
}

std::exception_ptr RunMemory::explained(const std::exception_ptr& failure) const {
  const Error error = to_error(failure);
  if (error.code() != ExitCode::internal) return failure;
  const std::optional<MemoryRefusal> refusal = memory_refusal(error.problem());
  if (!refusal) return failure;
  const Error line = out_of_memory(*refusal, config_, rank_, at_hand_, free_bytes_now(refusal->on_gpu));
  try {
    std::rethrow_exception(failure);
  } catch (const AgreedError&) {
    return std::make_exception_ptr(AgreedError(line));
  } catch (...) {
    return std::make_exception_ptr(line);
  }
}

}  // namespace msn
