// SPDX-License-Identifier: Apache-2.0
#include "train/surroundings.hpp"

#include <ATen/Version.h>

#include "kernels/instruction_set.hpp"
#include "model/gemm.hpp"

namespace msn {

StepSurroundings surroundings_here(const World& world, int threads, const std::string& device) {
  return {world.size(),
          threads,
          MSN_VERSION,
          MSN_TORCH_VERSION,
          at::get_cpu_capability(),
          kernels::processor_name(),
          to_text(gemm_in_force()),
          device};
}

StepSurroundings surroundings_of(const Manifest& manifest) {
  const CheckpointFacts& facts = manifest.facts;
  return {facts.world_size, facts.threads, manifest.written.version, facts.torch, facts.instruction_set,
          facts.processor,  facts.gemm,    facts.device};
}

void record(const StepSurroundings& surroundings, CheckpointFacts& facts) {
  facts.world_size = surroundings.world_size;
  facts.threads = surroundings.threads;
  facts.torch = surroundings.torch;
  facts.instruction_set = surroundings.instruction_set;
  facts.processor = surroundings.processor;
  facts.gemm = surroundings.gemm;
  facts.device = surroundings.device;
}

std::string why_not_bits(const StepSurroundings& before, const StepSurroundings& now) {
  std::string text;
  const auto add = [&](const std::string& what, const std::string& was, const std::string& is) {
    if (!was.empty() && was != is) text += (text.empty() ? "" : "; ") + what + " was " + was + " and is now " + is;
  };
  const auto number = [](int value) { return value > 0 ? std::to_string(value) : std::string(); };
  add("the number of ranks", number(before.world_size), number(now.world_size));
  add("the number of threads a rank", number(before.threads), number(now.threads));
  add("the version of msn", before.version, now.version);
  add("LibTorch", before.torch, now.torch);
  add("the instruction set", before.instruction_set, now.instruction_set);
  add("the processor", before.processor, now.processor);
  add("the back end of matrix products", before.gemm, now.gemm);
  const auto device = [](const std::string& name) { return name.empty() ? std::string("the processor") : name; };
  add("what computes the steps", device(before.device), device(now.device));
  return text;
}

}  // namespace msn
