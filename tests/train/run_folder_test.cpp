// SPDX-License-Identifier: Apache-2.0
// Where a run starts from, and what it refuses, warns of and sets aside before it does.
#include "train/run_folder.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/files.hpp"
#include "base/log.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/state.hpp"
#include "train/surroundings.hpp"
#include "train/tiny_run.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::on_rank_0;
using test::world;

/// A run folder with what is asked for in it.
class RunFolder : public testing::Test {
 protected:
  void write(std::uint64_t step, int threads = 1) const {
    CheckpointFacts facts = test::facts_of_step(step);
    record(surroundings_here(world(), threads), facts);
    facts.config_toml = to_toml(config_);
    facts.config_digest = config_digest(config_);
    test::SmallState state(step);
    write_checkpoint(world(), run(), facts, state.tensors(), 1);
  }
  void damage(std::uint64_t step) const {
    world().barrier();
    on_rank_0([&] { fs::resize_file(checkpoint(step) / "state-00000-of-00001.h5", 10); });
  }

  /// open_run() with overrides; the step that it gives, 0 for a fresh start.
  std::uint64_t open(const std::vector<std::string>& overrides = {}, const Resume& resume = {},
                     const std::string& fingerprint = "f1") const {
    const Config config = parse_config(to_toml(config_), "test", overrides);
    const auto path = open_run(world(), run(), config, fingerprint, resume);
    return path ? step_of_name(path->filename().string()).value_or(1) : 0;
  }
  /// The message of what open_run() throws.
  std::string refusal(ExitCode code, const std::vector<std::string>& overrides = {}, const Resume& resume = {},
                      const std::string& fingerprint = "f1") const {
    try {
      open(overrides, resume, fingerprint);
    } catch (const AgreedError& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "nothing was thrown";
  }

  const fs::path& run() const { return dir_.path(); }
  fs::path checkpoint(std::uint64_t step) const { return checkpoints_folder(run()) / step_name(step); }
  std::set<std::string> names() const {
    world().barrier();
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(checkpoints_folder(run())))
      found.insert(entry.path().filename());
    world().barrier();
    return found;
  }
  std::string log_text() const {
    log::flush();
    world().barrier();
    return read_text(run() / "log.txt");
  }

  test::SharedDir dir_;
  Config config_ = test::tiny_run("data", 12);
};

#define EXPECT_SAYS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)
#define EXPECT_SAYS_NOT(text, part) EXPECT_EQ(std::string(text).find(part), std::string::npos) << (text)

using Names = std::set<std::string>;

Resume at_step(std::uint64_t step) {
  Resume resume;
  resume.from = Resume::From::step;
  resume.step = step;
  return resume;
}

Resume forced(std::vector<std::string> keys) {
  Resume resume;
  resume.forced_keys = std::move(keys);
  return resume;
}

TEST_F(RunFolder, BeginsAnewGoesOnOrRefuses) {
  EXPECT_EQ(open(), 0u);
  write(10);
  EXPECT_EQ(open(), 10u);
  EXPECT_SAYS_NOT(log_text(), "differs");
  Resume never;
  never.from = Resume::From::never;
  EXPECT_SAYS(refusal(ExitCode::usage, {}, never), "holds checkpoints already");
  EXPECT_SAYS(refusal(ExitCode::data, {}, at_step(15)), "no checkpoint of step 15");
  EXPECT_SAYS(refusal(ExitCode::data, {}, {}, "f2"), "data set is not the one");
}

TEST_F(RunFolder, RefusesEveryKeyThatChangesNumbersUnlessItIsForced) {
  write(10);
  const std::string both = refusal(ExitCode::config, {"optim.clip=1", "train.seed=9"});
  EXPECT_SAYS(both, "optim.clip was 3.0, is now 1.0; train.seed was 3, is now 9");
  EXPECT_SAYS(both, "--force-resume optim.clip --force-resume train.seed");
  const std::string one = refusal(ExitCode::config, {"optim.clip=1", "train.seed=9"}, forced({"optim.clip"}));
  EXPECT_SAYS_NOT(one, "optim.clip");
  EXPECT_SAYS(one, "train.seed was 3, is now 9");
  EXPECT_EQ(open({"optim.clip=1", "train.seed=9"}, forced({"optim.clip", "train.seed"})), 10u);
  EXPECT_SAYS(log_text(), "warning resuming although train.seed was 3, is now 9");
}

TEST_F(RunFolder, WarnsOfAnotherPolicyAndTellsOfTheRest) {
  write(10);
  EXPECT_EQ(open({"checkpoint.keep=5", "data.max_bad=0.5", "runtime.threads=3", "data.cache=ram"}), 10u);
  const std::string log = log_text();
  EXPECT_SAYS(log, "warning from here on another policy: checkpoint.keep was 100, is now 5");
  EXPECT_SAYS(log, "warning from here on another policy: data.max_bad was 0.001, is now 0.5");
  EXPECT_SAYS(log,
              "info differs from the checkpoint's run, without effect on its numbers: data.cache was \"none\", is "
              "now \"ram\"; runtime.threads was 1, is now 3");
}

TEST_F(RunFolder, TellsOfAForcedKeyThatDoesNotDiffer) {
  write(10);
  // As a job that is submitted again has it: the checkpoint is of the new configuration by then.
  EXPECT_EQ(open({}, forced({"optim.lr"})), 10u);
  EXPECT_SAYS(log_text(), "info --force-resume optim.lr is not needed");
}

TEST_F(RunFolder, SetsDamagedOnesAside) {
  for (const std::uint64_t step : {10, 20, 30})
    write(step);
  damage(20);
  damage(30);
  EXPECT_SAYS(refusal(ExitCode::config, {"train.seed=9"}), "train.seed");
  EXPECT_EQ(names(), (Names{"latest", "step-00000010", "step-00000020", "step-00000030"})) << "refused: as it was";
  EXPECT_EQ(open(), 10u);
  EXPECT_EQ(names(), (Names{"latest", "step-00000010", "damaged-step-00000020", "damaged-step-00000030"}));
  EXPECT_SAYS(log_text(), "passing over a checkpoint: the file has 10 bytes instead of");
  EXPECT_SAYS(log_text(), "warning the damaged checkpoint is set aside as damaged-step-00000030");
  EXPECT_EQ(open(), 10u);
  write(30);
  damage(30);
  EXPECT_EQ(open(), 10u);
  EXPECT_TRUE(names().contains("damaged-step-00000030-2"));
}

TEST_F(RunFolder, GoesBackForGood) {
  for (const std::uint64_t step : {10, 20, 30})
    write(step);
  EXPECT_SAYS(refusal(ExitCode::config, {"train.seed=9"}, at_step(20)), "train.seed");
  EXPECT_SAYS(refusal(ExitCode::data, {}, at_step(20), "f2"), "data set");
  EXPECT_EQ(names().size(), 4u) << "refused: as it was";
  EXPECT_EQ(open({}, at_step(20)), 20u);
  EXPECT_EQ(names(), (Names{"latest", "step-00000010", "step-00000020", "abandoned-step-00000030"}));
  EXPECT_SAYS(log_text(), "going back to step 20: the newer checkpoint is set aside as abandoned-step-00000030");
  EXPECT_EQ(open(), 20u);
  EXPECT_EQ(read_text(checkpoints_folder(run()) / "latest"), "step-00000020\n");
  world().barrier();
  damage(20);
  EXPECT_SAYS(refusal(ExitCode::data, {}, at_step(20)), "bytes instead of");
  EXPECT_TRUE(names().contains("step-00000020")) << "an explicit step that is damaged is an error and stays";
}

TEST_F(RunFolder, SaysOnceWhyItIsNotBitComparable) {
  open();
  write(10, 1);
  tell_if_not_comparable(world(), checkpoint(10), 1);
  EXPECT_SAYS_NOT(log_text(), "bit-comparable");
  tell_if_not_comparable(world(), checkpoint(10), 7);
  EXPECT_SAYS(log_text(), "because the number of threads a rank was 1 and is now 7");
}

TEST(Surroundings, NameEverythingThatDiffersAndNothingUnknown) {
  const StepSurroundings before{2, 1, "0.1.0", "2.11.0", "AVX2", "AMD, AVX2", "onednn", ""};
  EXPECT_EQ(why_not_bits(before, before), "");
  EXPECT_EQ(
      why_not_bits(before, {3, 2, "0.2.0", "2.12.0", "AVX512", "Intel, AVX-512", "mkl", "NVIDIA H200"}),
      "the number of ranks was 2 and is now 3; the number of threads a rank was 1 and is now 2; the version of msn "
      "was 0.1.0 and is now 0.2.0; LibTorch was 2.11.0 and is now 2.12.0; the instruction set was AVX2 and is now "
      "AVX512; the processor was AMD, AVX2 and is now Intel, AVX-512; the back end of matrix products was onednn and "
      "is "
      "now mkl; what computes the steps was the processor and is now NVIDIA H200");
  EXPECT_EQ(why_not_bits({2, 0, "", "", "", "", "", ""}, before), "");
}

}  // namespace
}  // namespace msn
