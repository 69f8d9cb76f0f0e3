// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect.hpp"

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "checkpoint/state.hpp"
#include "commands/inspect_data.hpp"
#include "commands/inspect_run.hpp"
#include "data/pack.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(Inspect, DescribesACheckpoint) {
  const test::TempDir run;
  test::SmallState state(3);
  write_checkpoint(test::world(), run.path(), test::facts_of_step(20), state.tensors(), 1);
  const auto facts = describe_checkpoint(run / "checkpoints/step-00000020");
  EXPECT_EQ(facts.at("kind"), "checkpoint");
  EXPECT_EQ(facts.at("step"), 20);
  EXPECT_EQ(facts.at("tensors").size(), state.tensors().size());
  EXPECT_EQ(facts.at("tensors").at(1).at("type"), "float32");
  EXPECT_EQ(facts.at("files").size(), 1u);
}

TEST(Inspect, DescribesARunWithWhatIsWrongInIt) {
  const test::TempDir run;
  test::SmallState state(3);
  for (const std::uint64_t step : {10, 20}) {
    write_checkpoint(test::world(), run.path(), test::facts_of_step(step), state.tensors(), 1);
  }
  std::filesystem::remove(run / "checkpoints/step-00000010/manifest.json");
  std::filesystem::create_directories(run / "checkpoints/abandoned-step-00000030");
  std::filesystem::create_directories(run / "pins");
  write_durably(run / "pins/step-00000010", "");
  write_durably(run / "config.toml", "[checkpoint]\nkeep_every = 20\n");
  const auto facts = describe_run(run.path());
  EXPECT_EQ(facts.at("latest"), 20);
  ASSERT_EQ(facts.at("checkpoints").size(), 2u);
  EXPECT_EQ(facts.at("checkpoints").at(0).at("step"), 20);
  EXPECT_FALSE(facts.at("checkpoints").at(0).contains("problem"));
  EXPECT_EQ(facts.at("checkpoints").at(0).at("kept_for_ever"), true);
  EXPECT_EQ(facts.at("checkpoints").at(0).at("pinned"), false);
  EXPECT_TRUE(facts.at("checkpoints").at(1).contains("problem"));
  EXPECT_EQ(facts.at("checkpoints").at(1).at("pinned"), true);
  EXPECT_EQ(facts.at("set_aside"), nlohmann::json({"abandoned-step-00000030"}));
  const std::string text = run_text(facts);
  EXPECT_NE(text.find("  latest, kept for ever (checkpoint.keep_every)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  step-00000010  pinned  damaged: a file of the checkpoint is missing"), std::string::npos)
      << text;
}

TEST(Inspect, TellsOfImagesThatWereEncodedAnew) {
  const test::TempDir dir;
  PackOptions options;
  options.inputs = {"synthetic:shapes?images=4&size=24"};
  options.output = dir / "plain";
  pack(options);
  EXPECT_TRUE(describe_dataset(options.output).at("transcode").is_null());
  options.output = dir / "small";
  options.transcode = Transcode{16, 80};
  pack(options);
  const auto facts = describe_dataset(options.output);
  EXPECT_EQ(facts.at("transcoded"), 4);
  EXPECT_EQ(facts.at("transcode").at("max_side"), 16);
  EXPECT_NE(dataset_text(facts).find("encoded anew 4 as JPEG of quality 80, those with a side of more than 16 px"),
            std::string::npos);
}

}  // namespace
}  // namespace msn
