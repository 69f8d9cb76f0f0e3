// SPDX-License-Identifier: Apache-2.0
#include "planning/estimate.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "measured.hpp"
#include "planning/by_measurement.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

Config config_of(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_config(std::filesystem::path(MSN_SOURCE_DIR) / "configs" / (name + ".toml"), overrides);
}

PlannedMachine gpus(const char* name, int ranks, const char* link = "400g") {
  return {.gpu = &find_gpu(name), .ranks = ranks, .ranks_per_node = std::min(ranks, 8), .link = find_link(link)};
}

TEST(Estimate, AgreesWithThePublishedNumbersOfViTL7) {
  // Assran et al. (arXiv 2204.07141), table 10: 8 A100, two images of each, PyTorch in full precision with TF32 in
  // products. Gigabytes of a GPU, and images/s of all, of which only ratios mean something: views are counted.
  struct Row {
    const char* mask;
    double memory;
    double speed;
  };
  std::vector<double> speeds;
  const std::vector<Row> rows{{"0.0", 26, 415}, {"0.3", 21, 480}, {"0.5", 18, 525}, {"0.7", 17, 600}};
  for (const Row& row : rows) {
    const Config config = config_of(
        "vit_l7", {std::string("views.mask_ratio=") + row.mask, "train.global_batch=16", "train.precision=tf32"});
    const Estimate result = estimate(config, gpus("a100", 8), {}, kImageNetImages);
    EXPECT_NEAR(plain_memory(config, result.plan) * 1e-9 / row.memory, 1, 0.15) << row.mask;
    EXPECT_LT(result.memory, plain_memory(config, result.plan));
    speeds.push_back(result.images_per_second());
  }
  for (std::size_t i = 1; i < rows.size(); ++i)
    EXPECT_NEAR(speeds[i] / speeds[0] / (rows[i].speed / rows[0].speed), 1, 0.1) << rows[i].mask;
}

TEST(Estimate, AgreesWithThePublishedNumberOfNodes) {
  // In the text beside that table: 18 nodes of 8 A100 with 40 GB suffice for a batch of 1,024 at a mask ratio of 0.7,
  // over 42 are needed without a mask.
  struct Row {
    const char* mask;
    int images;  // The most that a GPU can have with so many nodes.
  };
  for (const Row& row : {Row{"0.7", 7}, Row{"0.0", 3}}) {
    const auto bytes = [&](int images) {
      const Config config = config_of("vit_l7", {std::string("views.mask_ratio=") + row.mask, "train.precision=tf32",
                                                 "train.global_batch=" + std::to_string(8 * images)});
      return plain_memory(config, estimate(config, gpus("a100-40", 8), {}, kImageNetImages).plan);
    };
    EXPECT_LE(bytes(row.images), 40e9) << row.mask;
    EXPECT_GT(bytes(row.images + 1), 40e9) << row.mask;
  }
}

TEST(Estimate, TakesTheNearestBatchThatCanBeShared) {
  EXPECT_EQ(nearest_batch(1024, 128, 0), 1024);
  EXPECT_EQ(nearest_batch(1024, 144, 0), 1008);
  EXPECT_EQ(nearest_batch(1024, 1000, 0), 1000);
  EXPECT_EQ(nearest_batch(16, 1024, 0), 1024);  // At least an image each.
  EXPECT_EQ(nearest_batch(6, 4, 0), 8);         // Of two, the greater.
  EXPECT_EQ(nearest_batch(1024, 24, 4), 1056);
  const Config config = config_of("vit_l7");
  for (const int ranks : {1, 3, 8, 31, 64, 100, 128, 144, 300}) {
    const Estimate result = estimate(config, gpus("h100", ranks), {}, kImageNetImages);
    EXPECT_EQ(result.config.train.global_batch % ranks, 0);
    EXPECT_EQ(result.notes.empty(), 1024 % ranks == 0) << ranks;
  }
  EXPECT_THROW(estimate(config, gpus("h100", 2048), {}, 100), Error);
}

TEST(Estimate, AddsUpAndScalesAsItMust) {
  const Config config = config_of("vit_s16", {"train.precision=bf16"});
  const Estimate one = estimate(config, gpus("h100", 1), {}, kImageNetImages);
  EXPECT_EQ(one.parts.gradients, 0);
  EXPECT_EQ(one.parts.small, 0);
  const StepParts& parts = one.parts;
  EXPECT_DOUBLE_EQ(parts.total(),
                   parts.products + parts.between + parts.update + parts.gradients + parts.small + parts.input);
  EXPECT_DOUBLE_EQ(one.images_per_second() * parts.total(), config.train.global_batch);
  EXPECT_DOUBLE_EQ(one.epoch_seconds(), parts.total() * 1251);  // Whole steps of 1,024 images.
  // A GPU's share of the batch takes a share of the time, update and messages apart.
  const Estimate eight = estimate(config, gpus("h100", 8), {}, kImageNetImages);
  EXPECT_NEAR(eight.parts.products, one.parts.products / 8, 1e-9);
  EXPECT_DOUBLE_EQ(eight.parts.update, one.parts.update);
  EXPECT_GT(eight.parts.small, 0);
  // A slower network cannot make it faster, nor hide less than nothing.
  const Estimate fast = estimate(config, gpus("h100", 64, "8x400g"), {}, kImageNetImages);
  const Estimate slow = estimate(config, gpus("h100", 64, "10gbe"), {}, kImageNetImages);
  EXPECT_GT(slow.gradient_seconds, 100 * fast.gradient_seconds);
  EXPECT_GT(slow.parts.gradients, fast.parts.gradients);
  EXPECT_LT(slow.parts.gradients, slow.gradient_seconds);
  // Cores that cannot keep up are waited for.
  PlannedMachine few = gpus("h100", 1);
  few.cores_per_rank = 1;
  const Estimate starved = estimate(config, few, {}, kImageNetImages);
  EXPECT_NEAR(starved.images_per_second(), Assumptions().decoded_per_core.value, 1e-6);
  EXPECT_NEAR(one.input_cores, one.images_per_second() / Assumptions().decoded_per_core.value, 1e-9);
}

TEST(Estimate, KnowsWhatFits) {
  const Config config = config_of("vit_l16", {"train.precision=bf16"});
  const Estimate result = estimate(config, gpus("h100", 16), {}, kImageNetImages);
  ASSERT_GT(result.largest_batch, 0);
  Config largest = config;
  largest.train.global_batch = static_cast<int>(result.largest_batch) * 16;
  EXPECT_LE(estimate(largest, gpus("h100", 16), {}, kImageNetImages).memory, result.memory_there);
  largest.train.global_batch += 16;
  EXPECT_GT(estimate(largest, gpus("h100", 16), {}, kImageNetImages).memory, result.memory_there);
}

TEST(Estimate, RefusesWhatItCannotKnow) {
  const Config config = config_of("vit_s16", {"train.precision=bf16"});
  EXPECT_THROW(estimate(config, gpus("v100", 8), {}, kImageNetImages), Error);  // It has no bfloat16.
  const PlannedMachine processors{.ranks = 2, .ranks_per_node = 2, .link = find_link("10gbe")};
  EXPECT_THROW(estimate(config, processors, {}, kImageNetImages), Error);
  EXPECT_THROW(find_gpu("h1000"), Error);
  EXPECT_THROW(find_link("0"), Error);
  EXPECT_THROW(find_link("50 GB/s"), Error);
  EXPECT_EQ(find_link("12.5").bandwidth, 12.5e9);
}

TEST(Estimate, FollowsAMeasuredStep) {
  const test::TempDir folder;
  const Config measured = config_of("vit_s16", {"train.global_batch=8"});
  const RunPlan plan = plan_run(measured, 2, kImageNetImages);
  constexpr double kLibraries = 3e8;
  std::ofstream(folder / "step.json")
      << "a table\n"
      << test::measured_step(measured, 2, plan.memory.device_bytes() + kLibraries).dump() << "\n";
  Assumptions assumptions;
  calibrate(assumptions, folder / "step.json");
  const PlannedMachine machine{.ranks = 2, .ranks_per_node = 2, .link = find_link("10gbe")};
  const Estimate same = estimate(measured, machine, assumptions, kImageNetImages);
  EXPECT_NEAR(same.parts.compute() + same.parts.small, 2, 1e-9);
  EXPECT_NEAR(same.bench_memory, plan.memory.device_bytes() + kLibraries, 1);
  // Twice the images: twice the products and what lies between them, the same update and waits.
  Config twice = measured;
  twice.train.global_batch = 16;
  const Estimate more = estimate(twice, machine, assumptions, kImageNetImages);
  EXPECT_NEAR(more.parts.products, 3, 1e-9);
  EXPECT_NEAR(more.parts.between, 0.6, 1e-9);
  EXPECT_NEAR(more.parts.update, 0.1, 1e-9);
  EXPECT_NEAR(more.parts.small, 0.1, 1e-9);
}

Config processors(const char* arch, int batch) {
  return config_of("vit_s16", {std::string("model.arch=") + arch, "runtime.threads=1", "data.input=synthetic",
                               "train.global_batch=" + std::to_string(batch)});
}

PlannedMachine host(int ranks) {
  return {.ranks = ranks, .ranks_per_node = ranks, .link = find_link("10gbe")};
}

/// A step of `config` on `ranks` ranks of a host, with times in seconds.
MeasuredStep step_of(const char* source, const Config& config, int ranks, double products, double between,
                     double update, double waiting) {
  MeasuredStep step;
  step.source = source;
  step.config = config;
  step.ranks = step.ranks_per_host = ranks;
  step.seconds = products + between + update + waiting;
  step.products = products;
  step.update = update;
  step.waiting = waiting;
  step.peak_memory = plan_run(config, ranks, kImageNetImages).memory.step.total() + 3e8;
  return step;
}

TEST(Estimate, CorrectsForRanksThatShareAHost) {
  Assumptions assumptions;
  assumptions.steps = {step_of("small-1", processors("vit_small", 4), 1, 2.0, 0.4, 0.1, 0),
                       step_of("tiny-1", processors("vit_tiny", 4), 1, 0.5, 0.2, 0.04, 0),
                       step_of("tiny-2", processors("vit_tiny", 8), 2, 0.6, 0.3, 0.08, 0.049)};
  // The tiny model's products took 1.2, what lies between them 1.5, the update 2 times as long among two ranks.
  const Estimate two = estimate(processors("vit_small", 8), host(2), assumptions, kImageNetImages);
  EXPECT_NEAR(two.parts.products, 2.4, 1e-9);
  EXPECT_NEAR(two.parts.between, 0.6, 1e-9);
  EXPECT_NEAR(two.parts.update, 0.2, 1e-9);
  EXPECT_NEAR(two.parts.small, 0.05 * 3.2, 1e-9);  // Waits in proportion to the rest.
  EXPECT_EQ(two.parts.gradients, 0);
  EXPECT_EQ(two.gradient_bytes, 4.0 * static_cast<double>(two.plan.parameters()));
  ASSERT_EQ(two.notes.size(), 2U);
  EXPECT_EQ(two.notes[1], "2 ranks of a host instead of 1: as between tiny-1 and tiny-2");
  // The other way round.
  assumptions.steps[0] = step_of("small-2", processors("vit_small", 8), 2, 2.4, 0.6, 0.2, 0.1);
  const Estimate one = estimate(processors("vit_small", 4), host(1), assumptions, kImageNetImages);
  EXPECT_NEAR(one.parts.compute(), 2.5, 1e-9);
  EXPECT_EQ(one.parts.small, 0);
}

TEST(Estimate, CorrectsForTheImagesOfARank) {
  Assumptions assumptions;
  assumptions.steps = {step_of("tiny-4", processors("vit_tiny", 4), 1, 0.5, 0.2, 0.04, 0),
                       step_of("small-4", processors("vit_small", 4), 1, 2.0, 0.4, 0.1, 0)};
  const Estimate without = estimate(processors("vit_tiny", 8), host(1), assumptions, kImageNetImages);
  EXPECT_NEAR(without.parts.products, 1.0, 1e-9);
  EXPECT_EQ(without.notes.size(), 1U);
  // An image of eight takes the small model three quarters of the products, and half of what lies between them.
  assumptions.steps.push_back(step_of("small-8", processors("vit_small", 8), 1, 3.0, 0.4, 0.1, 0));
  const Estimate with = estimate(processors("vit_tiny", 8), host(1), assumptions, kImageNetImages);
  EXPECT_NEAR(with.parts.products, 0.75, 1e-9);
  EXPECT_NEAR(with.parts.between, 0.2, 1e-9);
  EXPECT_NEAR(with.parts.update, 0.04, 1e-9);
  ASSERT_EQ(with.notes.size(), 2U);
  EXPECT_EQ(with.notes[1], "8 images of a rank instead of 4: as between small-4 and small-8");
}

TEST(Estimate, CorrectsForRanksByRatesWithoutAPair) {
  Assumptions assumptions;
  MeasuredStep one = step_of("small-1", processors("vit_small", 4), 1, 2.0, 0.4, 0.1, 0);
  MeasuredStep two = step_of("tiny-2", processors("vit_tiny", 8), 2, 0.6, 0.3, 0.08, 0.049);
  assumptions.steps = {one, two};
  Estimate result = estimate(processors("vit_small", 8), host(2), assumptions, kImageNetImages);
  EXPECT_NEAR(result.parts.compute(), 2.5, 1e-9);
  EXPECT_NE(result.notes.back().find("by nobody knows how much"), std::string::npos);
  one.gemm_rate = 100e9, one.copy_rate = 20e9;
  two.gemm_rate = 80e9, two.copy_rate = 10e9;
  assumptions.steps = {one, two};
  result = estimate(processors("vit_small", 8), host(2), assumptions, kImageNetImages);
  EXPECT_NEAR(result.parts.products, 2.5, 1e-9);
  EXPECT_NEAR(result.parts.between, 0.8, 1e-9);
  EXPECT_NEAR(result.parts.update, 0.2, 1e-9);
}

TEST(Estimate, PrefersTheModelToTheRanks) {
  Assumptions assumptions;
  assumptions.steps = {step_of("tiny-2", processors("vit_tiny", 8), 2, 0.6, 0.3, 0.08, 0.049),
                       step_of("small-1", processors("vit_small", 4), 1, 2.0, 0.4, 0.1, 0),
                       step_of("small-2", processors("vit_small", 8), 2, 2.4, 0.6, 0.2, 0.1)};
  EXPECT_NE(estimate(processors("vit_small", 16), host(2), assumptions, kImageNetImages).notes[0].find("small-2"),
            std::string::npos);
  assumptions.steps.pop_back();
  EXPECT_NE(estimate(processors("vit_small", 16), host(2), assumptions, kImageNetImages).notes[0].find("small-1"),
            std::string::npos);
  MeasuredStep images = step_of("images", processors("vit_small", 4), 1, 3.0, 0.4, 0.1, 0);
  images.config.data.input = DataInput::images;
  assumptions.steps.insert(assumptions.steps.begin(), images);
  EXPECT_NE(estimate(processors("vit_small", 4), host(1), assumptions, kImageNetImages).notes[0].find("small-1"),
            std::string::npos);
  EXPECT_NE(estimate(images.config, host(1), assumptions, kImageNetImages).notes[0].find("images"), std::string::npos);
  Config threads = processors("vit_small", 4);
  threads.runtime.threads = 2;
  const Estimate result = estimate(threads, host(1), assumptions, kImageNetImages);
  EXPECT_NEAR(result.parts.compute(), 1.25, 1e-9);
  EXPECT_NE(result.notes.back().find("2 threads a rank were not measured, but 1"), std::string::npos);
}

TEST(Estimate, TellsWhatStepsTakeWithoutCheckpoints) {
  Assumptions assumptions;
  const Config config = processors("vit_small", 4);
  assumptions.steps = {step_of("tiny-1", processors("vit_tiny", 8), 1, 0.5, 0.2, 0.04, 0)};
  const Estimate result = estimate(config, host(1), assumptions, kImageNetImages);
  const MemoryPlan& plan = result.plan.memory;
  const double libraries = assumptions.steps[0].peak_memory -
                           memory_of_steps(plan_run(assumptions.steps[0].config, 1, kImageNetImages).memory);
  EXPECT_NEAR(result.bench_memory, memory_of_steps(plan) + libraries, 1);
  EXPECT_NEAR(result.memory - result.bench_memory, plan.host.of(MemoryUse::checkpoint_copy), 1);
  // Made-up numbers are made once; images are read ahead.
  Config images = config;
  images.data.input = DataInput::images;
  EXPECT_NEAR(plan_run(images, 1, kImageNetImages).memory.host.of(MemoryUse::batches_ahead),
              4 * plan.host.of(MemoryUse::batches_ahead), 1);
}

}  // namespace
}  // namespace msn
