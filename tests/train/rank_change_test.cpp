// SPDX-License-Identifier: Apache-2.0
// A checkpoint of two ranks is gone on from by one, three and four, and by two again after three: the same state, the
// same global batches, the same numbers to rounding (docs/design.md §4.4).
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/hash.hpp"
#include "checkpoint/layout.hpp"
#include "train/setup.hpp"
#include "train/tiny_run.hpp"
#include "train/trainer.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::world;

constexpr int kBatch = 12, kPerEpoch = 5;
constexpr std::uint64_t kSaved = 8, kSteps = 20;

/// The first `size` ranks as a world, which `action` gets; the others wait.
void with_ranks(int size, const std::function<void(const World&)>& action) {
  MPI_Comm some = MPI_COMM_NULL;
  const bool in = world().rank() < size;
  MSN_CHECK_MPI(MPI_Comm_split(world().comm(), in ? 0 : MPI_UNDEFINED, world().rank(), &some));
  if (in) action(World::over(some));
  world().barrier();
}

/// The global batch of every step: its epoch and samples in order.
using Samples = std::map<std::uint64_t, std::string>;

/// One life on `size` ranks up to step `last`; gives its global batches on every rank of the test.
Samples live(int size, const Config& config, const fs::path& run, std::uint64_t last) {
  std::string mine;
  with_ranks(size, [&](const World& some) {
    std::map<std::uint64_t, std::string> shares;
    TrainOptions options;
    options.run = run;
    options.max_steps = last;
    options.on_batch = [&](std::uint64_t step, const Batch& batch) {
      std::string& share = shares[step];
      if (some.rank() == 0) share = "epoch " + std::to_string(batch.epoch) + ":";
      for (const std::uint64_t sample : batch.samples)
        share += " " + std::to_string(sample);
    };
    train(some, config, options);
    for (const auto& [step, share] : shares)
      mine += std::to_string(step) + "=" + share + "\n";
  });
  Samples samples;
  for (const std::string& of_rank : world().gather(mine)) {
    std::istringstream lines(of_rank);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find('=');
      samples[std::stoull(line.substr(0, equals))] += line.substr(equals + 1);
    }
  }
  return samples;
}

/// Hash of everything that a checkpoint holds, as `size` ranks have it in memory after loading; the same on each.
std::string loaded_hash(int size, const Config& config, const fs::path& checkpoint) {
  std::string hash;
  with_ranks(size, [&](const World& some) {
    TrainState state(vit_shape(config.model), config.model.prototypes, scalar_type(config.train.precision));
    load_state(some, config, checkpoint, state);
    Hasher hasher;
    for (const StateTensor& tensor : state_tensors(state))
      hasher.update(tensor.bytes);
    hasher.update(std::to_string(state.step) + " " + std::to_string(state.skipped));
    hash = hasher.hex();
    for (const std::string& other : some.gather(hash))
      EXPECT_EQ(other, hash);
  });
  return world().broadcast(hash);
}

std::vector<double> losses(const fs::path& run) {
  std::vector<double> out;
  std::istringstream lines(read_text(run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);)
    out.push_back(nlohmann::json::parse(line).at("loss").get<double>());
  return out;
}

void change_ranks(Precision precision, double early_limit, double late_limit) {
  const test::SharedDir dir;
  test::pack_pictures(dir / "data", kPerEpoch * kBatch + 3);
  Config config = test::tiny_run(dir / "data", kBatch);
  config.train.precision = precision;
  config.train.epochs = 25;
  config.optim.warmup_epochs = 20;  // Of 100 steps.
  const Samples expected = live(2, config, dir / "straight", kSteps);
  EXPECT_EQ(expected.size(), kSteps);
  const std::vector<double> reference = losses(dir / "straight");

  Samples before = live(2, config, dir / "saved", kSaved);
  const fs::path checkpoint = checkpoints_folder(dir / "saved") / step_name(kSaved);
  const std::string hash = loaded_hash(2, config, checkpoint);
  for (const std::vector<int>& sizes : {std::vector<int>{1}, {3}, {4}, {3, 2}}) {
    std::string name = "then";
    for (const int size : sizes)
      name += "-" + std::to_string(size);
    SCOPED_TRACE(name);
    const fs::path run = dir / name;
    test::on_rank_0([&] { fs::copy(dir / "saved", run, fs::copy_options::recursive); });
    EXPECT_EQ(loaded_hash(sizes.front(), config, checkpoints_folder(run) / step_name(kSaved)), hash);
    Samples samples = before;
    std::uint64_t end = kSaved;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      end = i + 1 == sizes.size() ? kSteps : end + 5;
      samples.merge(live(sizes[i], config, run, end));
      EXPECT_EQ(loaded_hash(sizes[i], config, checkpoints_folder(run) / step_name(end)),
                loaded_hash(2, config, checkpoints_folder(run) / step_name(end)));
    }
    EXPECT_EQ(samples, expected);
    const std::vector<double> got = losses(run);
    EXPECT_EQ(got.size(), kSteps);
    for (std::size_t i = 0; i < std::min(got.size(), reference.size()); ++i) {
      const double limit = i < kSaved ? 0 : i < kSaved + 5 ? early_limit : late_limit;
      EXPECT_LE(std::abs(got[i] - reference[i]) / std::abs(reference[i]), limit) << "loss of step " << i + 1;
    }
    EXPECT_NE(read_text(run / "log.txt")
                  .find("not bit-comparable with the run's earlier life, but equal to rounding, "
                        "because the number of ranks was 2 and is now"),
              std::string::npos);
  }
}

TEST(RankChange, TakesTheMomentsOfEarlyVersionsForThoseOfASum) {
  const test::SharedDir dir;
  const Config config = test::tiny_run(dir / "data", kBatch);
  for (const bool early : {false, true}) {
    with_ranks(1, [&](const World& alone) {
      TrainState state(vit_shape(config.model), config.model.prototypes, at::kDouble);
      state.exp_avg.fill_(6);
      state.exp_avg_sq.fill_(18);
      CheckpointFacts facts;
      facts.step = early ? 2 : 1;
      facts.world_size = 3;
      facts.threads = early ? 0 : 1;
      fs::create_directories(dir / "run");
      write_checkpoint(alone, dir / "run", facts, state_tensors(state), 1);
      load_state(alone, config, checkpoints_folder(dir / "run") / step_name(facts.step), state);
      const auto value = [&](const at::Tensor& moments, const std::string& name) {
        return Parameters::view(moments, state.online.segment(name)).flatten()[0].item<double>();
      };
      EXPECT_EQ(value(state.exp_avg, "prototypes"), early ? 2 : 6);
      EXPECT_EQ(value(state.exp_avg_sq, "prototypes"), early ? 2 : 18);
      EXPECT_EQ(value(state.exp_avg, "norm.weight"), 6);
      EXPECT_EQ(value(state.exp_avg_sq, "norm.weight"), 18);
    });
  }
}

TEST(RankChange, KeepsStateSamplesAndNumbersInFloat64) {
  change_ranks(Precision::fp64, 1e-6, 1e-6);
}

TEST(RankChange, KeepsStateSamplesAndNumbersInFloat32) {
  change_ranks(Precision::fp32, 1e-5, 1e-4);
}

}  // namespace
}  // namespace msn
