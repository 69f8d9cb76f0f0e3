// SPDX-License-Identifier: Apache-2.0
#include "train/run_memory.hpp"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "support/refusal.hpp"
#include "train/tensor_memory.hpp"

namespace msn {
namespace {

constexpr double kGiB = 1 << 30;

/// 64 images of ViT-S/16 a rank.
Config config_of_many() {
  Config config;
  config.train.global_batch = 256;
  return config;
}
constexpr PlannedRank kRank{4, 64, false};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

double planned_with(const Config& config, int micro_batch) {
  Config other = config;
  other.train.micro_batch = micro_batch;
  return plan_memory(other, kRank).device_bytes();
}

TEST(RunMemory, NamesTheSettingsThatFit) {
  const Config config = config_of_many();
  const double limit = planned_with(config, 16);
  const std::string text = settings_that_fit(config, kRank, limit);
  EXPECT_TRUE(has(text, "train.micro_batch to 16 (" + size_text(limit) + ")")) << text;
  EXPECT_FALSE(has(text, "train.recompute")) << "it is on: " << text;
  EXPECT_FALSE(has(text, "bf16")) << "alone it does not fit: " << text;
  const std::int64_t most = largest_local_batch(config, kRank, limit);
  EXPECT_TRUE(has(text, "train.global_batch to " + std::to_string(4 * most))) << text;
  EXPECT_TRUE(has(text, "start " + std::to_string((256 + most - 1) / most) + " ranks or more instead of 4")) << text;

  Config kept = config;
  kept.train.recompute = false;
  const std::string of_kept = settings_that_fit(kept, kRank, planned_with(config, 0));
  EXPECT_TRUE(has(of_kept, "train.recompute to true (" + size_text(planned_with(config, 0)) + ")")) << of_kept;
  EXPECT_TRUE(has(of_kept, "train.precision to \"bf16\"")) << of_kept;

  EXPECT_TRUE(has(settings_that_fit(config, kRank, 1e6), "take a smaller model"));
}

TEST(RunMemory, RefusesWhatAGpuCannotHold) {
  const Config config = config_of_many();
  const PlannedRank gpu{4, 64, true};
  const double needed = plan_memory(config, gpu).device_bytes();
  const auto with = [&](double free) { return MemoryAtHand{"GPU H 0000:65:00.0 of host n07", 2 * needed, free}; };
  EXPECT_EQ(check_memory(config, gpu, with(needed)), "");
  const std::string warning = check_memory(config, gpu, with(0.95 * needed));
  EXPECT_TRUE(has(warning, "a rank needs " + size_text(needed) + " by the plan, most of it kept for the backward pass"))
      << warning;
  EXPECT_TRUE(has(warning, "train.micro_batch to 32")) << warning;
  const std::string refusal = test::refusal([&] { check_memory(config, gpu, with(0.5 * needed)); }, ExitCode::config);
  EXPECT_TRUE(has(refusal, "GPU H 0000:65:00.0 of host n07")) << refusal;
  EXPECT_TRUE(has(refusal, size_text(0.5 * needed) + " free of " + size_text(2 * needed))) << refusal;
  // A host may have to page caches out first: it is warned.
  EXPECT_NE(check_memory(config, kRank, {"host n07", needed, 0.1 * needed}), "");
}

TEST(RunMemory, KnowsTheMessagesOfOthers) {
  const auto asked = [](const char* message, bool on_gpu) {
    const auto refusal = memory_refusal(message);
    EXPECT_TRUE(refusal.has_value()) << message;
    EXPECT_EQ(refusal && refusal->on_gpu, on_gpu) << message;
    return refusal && refusal->asked ? *refusal->asked : -1;
  };
  EXPECT_EQ(
      asked("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.2 "
            "GiB is free.",
            true),
      2.5 * kGiB);
  EXPECT_EQ(asked("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0", true), 20 * (1 << 20));
  EXPECT_EQ(asked("CUDA out of memory. Tried to allocate more than 1EB memory.", true), -1);
  EXPECT_EQ(asked("CUDA error: out of memory\nCUDA kernel errors", true), -1);
  EXPECT_EQ(asked("CUDA failed: out of memory", true), -1);
  EXPECT_EQ(asked("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", true), -1);
  EXPECT_EQ(asked("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
                  "to allocate 4096 bytes. Error code 12 (Cannot allocate memory)",
                  false),
            4096);
  EXPECT_EQ(asked("std::bad_alloc", false), -1);
  for (const char* other : {"check failed: x", "mat1 and mat2 shapes cannot be multiplied", "", "vector::reserve"})
    EXPECT_FALSE(memory_refusal(other)) << other;
}

/// What `fail` throws, explained.
template <class Fail>
std::string explained(const Fail& fail) {
  try {
    fail();
  } catch (...) {
    const auto refusal = memory_refusal(to_error(std::current_exception()).problem());
    if (!refusal) return "not of memory";
    const Error error = out_of_memory(*refusal, config_of_many(), kRank, {"host n07", 8 * kGiB, 8 * kGiB}, 0.25 * kGiB);
    EXPECT_EQ(error.code(), ExitCode::config);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(RunMemory, ExplainsRefusalsThatAreReal) {
  use_arena_for_tensors();
  // More than any address of this processor reaches.
  const std::string tensor = explained([] { at::empty({std::int64_t{1} << 50}, at::kByte); });
  EXPECT_TRUE(has(tensor, "out of memory: 1048576.00 GiB was asked and refused; ")) << tensor;
  EXPECT_TRUE(has(tensor, size_text(plan_memory(config_of_many(), kRank).host_bytes()) + " were planned")) << tensor;
  EXPECT_TRUE(has(tensor, "most of it kept for the backward pass (")) << tensor;
  EXPECT_TRUE(has(tensor, "8.00 GiB free of 8.00 GiB were there at the start, now 0.25 GiB are free (host n07)"))
      << tensor;
  EXPECT_TRUE(has(tensor, "set train.micro_batch to ")) << tensor;
  const std::string of_new = explained([] {
    void* volatile block = ::operator new (std::size_t{1} << 50);
    ::operator delete(block);
  });
  EXPECT_TRUE(has(of_new, "out of memory: something was asked and refused")) << of_new;
  EXPECT_EQ(explained([] { throw std::length_error("vector::_M_fill_insert"); }), "not of memory");
}

TEST(RunMemory, ProposesLessThanWhatDidNotDo) {
  const Config config = config_of_many();
  // Everything would fit by the plan, and yet something was refused.
  const Error error = out_of_memory({false, 1e9}, config, kRank, {"host n07", 1e12, 1e12}, 0);
  EXPECT_TRUE(has(error.remedy(), "set train.micro_batch to ")) << error.what();
  EXPECT_FALSE(has(error.what(), "are free")) << error.what();
}

}  // namespace
}  // namespace msn
