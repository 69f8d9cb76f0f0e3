// SPDX-License-Identifier: Apache-2.0
// A run that was interrupted anywhere, as often as one likes, is to the bit the run that was not: its data files, and
// the samples, views and masks of every step. And this comparison notices every part that a restore might leave out.
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "checkpoint/layout.hpp"
#include "comm/mpi_communicator.hpp"
#include "objective/schedules.hpp"
#include "train/batch_tensors.hpp"
#include "train/input.hpp"
#include "train/setup.hpp"
#include "train/step.hpp"
#include "train/tiny_run.hpp"
#include "train/trainer.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::world;

constexpr int kBatch = 4;
constexpr std::uint64_t kPerEpoch = 5, kSteps = 20;

/// What this rank trained on, step by step: epoch, position, samples, and a hash of rows and masks of all views.
using Batches = std::map<std::uint64_t, std::string>;

std::string text_of(const Batch& batch) {
  std::string text = std::to_string(batch.epoch) + "/" + std::to_string(batch.position) + ":";
  for (const std::uint64_t sample : batch.samples)
    text += " " + std::to_string(sample);
  Hasher hasher;
  for (const ViewRows* rows : {&batch.target, &batch.random, &batch.focal}) {
    hasher.update(std::as_bytes(std::span(rows->rows)));
    hasher.update(std::as_bytes(std::span(rows->keep)));
  }
  return text + " " + hasher.hex();
}

/// One life of a run up to `last` steps; adds its batches.
void live(const Config& config, const fs::path& run, std::uint64_t last, Batches& batches) {
  TrainOptions options;
  options.run = run;
  options.max_steps = last;
  options.on_batch = [&](std::uint64_t step, const Batch& batch) {
    EXPECT_TRUE(batches.emplace(step, text_of(batch)).second) << "step " << step << " twice";
  };
  const TrainResult result = train(world(), config, options);
  EXPECT_EQ(result.step, last);
}

fs::path checkpoint_of(const fs::path& run, std::uint64_t step) {
  return checkpoints_folder(run) / step_name(step);
}

/// The data files are equal byte for byte, and the manifests but for the configuration's policy and `written`.
void expect_equal(const fs::path& got, const fs::path& expected) {
  Manifest a = read_manifest(got);
  const Manifest b = read_manifest(expected);
  a.facts.config_toml = b.facts.config_toml;
  EXPECT_TRUE(a.same_state(b)) << got << " and " << expected;
  for (const ManifestFile& file : b.files)
    EXPECT_EQ(hash_file(got / file.name), hash_file(expected / file.name)) << got / file.name;
}

/// The run that nothing interrupts, with a checkpoint of every step. Made once.
struct Golden {
  Golden() {
    test::pack_pictures(dir / "data", kPerEpoch * kBatch + 2);
    config = test::tiny_run(dir / "data", kBatch);
    Config often = config;
    often.checkpoint.every_steps = 1;
    live(often, run(), kSteps, batches);
  }
  fs::path run() const { return dir / "golden"; }

  test::SharedDir dir;
  Config config;
  Batches batches;
};

class ExactResume : public testing::Test {
 protected:
  static void SetUpTestSuite() { golden_ = std::make_unique<Golden>(); }
  static void TearDownTestSuite() { golden_.reset(); }

  /// A run whose lives end at these steps; the last is the end.
  void expect_as_golden(const std::vector<std::uint64_t>& ends) const {
    const test::SharedDir dir;
    Batches batches;
    std::string lives;
    for (const std::uint64_t end : ends) {
      lives += " " + std::to_string(end);
      SCOPED_TRACE("lives that end at" + lives);
      live(golden_->config, dir / "run", end, batches);
      expect_equal(checkpoint_of(dir / "run", end), checkpoint_of(golden_->run(), end));
    }
    EXPECT_EQ(batches, golden_->batches);
  }

  static std::unique_ptr<Golden> golden_;
};
std::unique_ptr<Golden> ExactResume::golden_;

TEST_F(ExactResume, TheGoldenRunHasFourDifferentEpochs) {
  EXPECT_EQ(golden_->batches.size(), kSteps);
  std::set<std::string> different;
  for (const auto& [step, text] : golden_->batches)
    different.insert(text);
  EXPECT_EQ(different.size(), kSteps);
  EXPECT_TRUE(golden_->batches.at(kPerEpoch).starts_with("0/"));
  EXPECT_TRUE(golden_->batches.at(kPerEpoch + 1).starts_with("1/"));
}

TEST_F(ExactResume, AtEveryStep) {
  for (std::uint64_t k = 1; k < kSteps; ++k)
    expect_as_golden({k, kSteps});
}

TEST_F(ExactResume, SeveralTimesWithinAnEpoch) {
  expect_as_golden({6, 8, kSteps});
  expect_as_golden({11, 12, 14, kSteps});
  expect_as_golden({1, 2, 3, 4, 5, 6, kSteps});
}

TEST_F(ExactResume, AroundTheEndsOfEpochs) {
  for (const std::uint64_t end : {kPerEpoch, 2 * kPerEpoch, 3 * kPerEpoch})
    expect_as_golden({end - 1, end, end + 1, kSteps});
}

TEST_F(ExactResume, OfAFinishedRunChangesNothing) {
  const test::SharedDir dir;
  Batches batches;
  live(golden_->config, dir / "run", kSteps, batches);
  const fs::path manifest = checkpoint_of(dir / "run", kSteps) / "manifest.json";
  const std::string before = hash_file(manifest);
  live(golden_->config, dir / "run", kSteps, batches);
  EXPECT_EQ(batches, golden_->batches);
  EXPECT_EQ(hash_file(manifest), before);
}

/// What a restore at step `from` leaves out.
struct LeftOut {
  const char* what = "nothing";
  bool (*tensors)(const std::string& name) = [](const std::string&) { return false; };  ///< As a new run has them.
  bool adam_count = false;                         ///< Bias correction begins anew.
  bool schedule = false;                           ///< Schedules begin anew.
  std::optional<std::uint64_t> batches_from = {};  ///< Data and their random draws go on from there instead.
  bool drop_path = false;                          ///< Its draws are those of epoch 0.
};

bool is_buffer(const std::string& name) {
  return name.find(".running_") != std::string::npos || name.ends_with(".num_batches_tracked");
}

constexpr std::uint64_t kFrom = 8, kTo = 12;  // From within an epoch into the next.

/// Goes on as train() does, from kFrom to kTo, and gives the names of the tensors that are not golden then.
std::set<std::string> differing_tensors(const Golden& golden, const LeftOut& left_out) {
  const Config& config = golden.config;
  const TrainingInput input = open_input_of_run(world(), config);
  MpiCommunicator communicator(world());
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
  TrainState fresh(vit_shape(config.model), config.model.prototypes, at::kFloat);
  fresh.initialise(config.train.seed);
  load_state(world(), config, checkpoint_of(golden.run(), kFrom), state);
  EXPECT_EQ(state.step, kFrom);
  const std::vector<StateTensor> tensors = state_tensors(state), new_ones = state_tensors(fresh);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (left_out.tensors(tensors[i].name))
      std::memcpy(tensors[i].bytes.data(), new_ones[i].bytes.data(), tensors[i].bytes.size());
  }
  if (left_out.adam_count) state.skipped = state.step;
  const Schedules schedules(config.optim, config.loss, config.train, static_cast<std::int64_t>(kPerEpoch));
  Stepper stepper(state, config, communicator);
  const auto batches = make_batches(input, config, world(), left_out.batches_from.value_or(kFrom));
  while (state.step < kTo) {
    Batch batch = batches->next();
    if (left_out.drop_path) batch.epoch = 0;
    const auto position = static_cast<std::int64_t>(left_out.schedule ? state.step - kFrom : state.step);
    EXPECT_TRUE(stepper.run(make_step_input(batch, config, at::kFloat), schedules.at(position)).finite);
  }
  communicator.shutdown();
  std::set<std::string> differing;
  const Manifest expected = read_manifest(checkpoint_of(golden.run(), kTo));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (hash_hex(tensors[i].bytes) != expected.tensors[i].hash) differing.insert(tensors[i].name);
  }
  return differing;
}

TEST_F(ExactResume, AComparisonNoticesEveryPartThatIsNotRestored) {
  EXPECT_EQ(differing_tensors(*golden_, {}), std::set<std::string>());
  for (const LeftOut& left_out : std::vector<LeftOut>{
           {.what = "weights",
 .tensors = [](const std::string& n) { return n.starts_with("online.") && !is_buffer(n) && n != "online.prototypes"; }},
           {.what = "prototypes", .tensors = [](const std::string& n) { return n == "online.prototypes"; }},
           {.what = "EMA weights",
           .tensors = [](const std::string& n) { return n.starts_with("target.") && !is_buffer(n); }},
           {.what = "online batch-norm buffers",
           .tensors = [](const std::string& n) { return n.starts_with("online.") && is_buffer(n); }},
           {.what = "target batch-norm buffers",
           .tensors = [](const std::string& n) { return n.starts_with("target.") && is_buffer(n); }},
           {.what = "batch counts",
           .tensors = [](const std::string& n) { return n.ends_with(".num_batches_tracked"); }},
           {.what = "first moments", .tensors = [](const std::string& n) { return n.starts_with("adam.exp_avg."); }},
           {.what = "second moments",
           .tensors = [](const std::string& n) { return n.starts_with("adam.exp_avg_sq."); }},
           {.what = "count of updates", .adam_count = true},
           {.what = "position of the schedules", .schedule = true},
           {.what = "position in the data", .batches_from = 0},
           {.what = "epoch of the random draws", .batches_from = kFrom - kPerEpoch},
           {.what = "random draws of drop path", .drop_path = true}}) {
    EXPECT_FALSE(differing_tensors(*golden_, left_out).empty()) << left_out.what;
  }
}

}  // namespace
}  // namespace msn
