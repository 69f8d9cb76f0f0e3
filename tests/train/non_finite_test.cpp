// SPDX-License-Identifier: Apache-2.0
// The policy for steps that are not finite: every rank decides alike.
#include "train/non_finite.hpp"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"
#include "train/bundle_example.hpp"
#include "train/tiny_state.hpp"

namespace msn {
namespace {

/// A run folder that all ranks see.
class SharedRun {
 public:
  SharedRun() {
    if (test::world().rank() == 0) own_.emplace();
    path_ = test::world().broadcast(own_ ? own_->path().string() : "");
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::optional<test::TempDir> own_;
  std::filesystem::path path_;
};

/// What skip_or_end throws; every rank must hear the same.
std::string ended(
    const TrainConfig& config, const SharedRun& run, TrainState& state, const std::function<void()>& save = [] {}) {
  std::string message;
  try {
    skip_or_end(test::world(), config, run.path(), test::example_bundle(), state, save);
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::numerics);
    message = error.what();
  }
  for (const std::string& other : test::world().gather(message))
    EXPECT_EQ(other, message);
  return message;
}

TEST(SkipOrEnd, EndsByDefaultAfterTheStateWasSaved) {
  const SharedRun run;
  TrainState state = test::tiny_state(123);
  bool saved = false;
  const std::string message = ended({}, run, state, [&] { saved = true; });
  EXPECT_TRUE(saved);
  EXPECT_EQ(message.find("loss of rank 1 is nan in step 124 (host n02, " + run.path().string() +
                         "/bundles/step-00000124.json): the newest checkpoint, of step 123, is from before it; "),
            0u)
      << message;
  EXPECT_EQ(state.step, 123u);
  EXPECT_EQ(state.skipped, 0u);
  if (test::world().rank() == 0) {  // Who deletes the folder.
    EXPECT_EQ(read_text(bundle_file(run.path(), 124)), bundle_text(test::example_bundle()));
  }
}

TEST(SkipOrEnd, SkipsAsOftenInARowAsIsAllowed) {
  const SharedRun run;
  TrainState state = test::tiny_state(123);
  TrainConfig config;
  config.non_finite = NonFinite::skip;
  const auto never = [] { ADD_FAILURE() << "a skipped step saves nothing"; };
  for (std::uint64_t n = 1; n <= 2; ++n) {
    EXPECT_EQ(ended(config, run, state, never), "");
    EXPECT_EQ(state.step, 123 + n);
    EXPECT_EQ(state.skipped, n);
    EXPECT_EQ(state.skipped_in_a_row, n);
  }
  bool saved = false;
  const std::string message = ended(config, run, state, [&] { saved = true; });
  EXPECT_NE(message.find("after 2 skipped steps in a row, train.max_skipped_in_a_row = 2"), std::string::npos)
      << message;
  EXPECT_TRUE(saved);
  EXPECT_EQ(state.step, 125u) << "the last one is not counted";
}

TEST(SkipOrEnd, SkipsAsOftenInAllAsIsAllowed) {
  const SharedRun run;
  TrainState state = test::tiny_state(123);
  TrainConfig config;
  config.non_finite = NonFinite::skip;
  config.max_skipped = 3;
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(ended(config, run, state), "");
    state.skipped_in_a_row = 0;  // As after an update.
  }
  EXPECT_NE(ended(config, run, state).find("after 3 skipped steps in all, train.max_skipped = 3"), std::string::npos);
  config.max_skipped = 0;
  state.skipped = 0;
  EXPECT_NE(ended(config, run, state).find("after 0 skipped steps in all"), std::string::npos);
}

TEST(SkipOrEnd, SaysSoIfTheStateCouldNotBeSaved) {
  const SharedRun run;
  TrainState state = test::tiny_state(123);
  const std::string message = ended({}, run, state, [] { throw AgreedError(data_error("the disk is full", "here")); });
  EXPECT_EQ(message.find("loss of rank 1 is nan in step 124"), 0u) << message;
  EXPECT_NE(message.find("the state before it was not saved, because the disk is full (here)"), std::string::npos)
      << message;
}

TEST(SkipOrEnd, GoesOnWithoutABundleIfTheDiskRefusesIt) {
  const World& world = test::world();
  const SharedRun run;
  if (world.rank() == 0) std::ofstream(run.path() / "bundles") << "in the way";
  world.barrier();
  TrainState state = test::tiny_state(123);
  const std::string message = ended({}, run, state);
  EXPECT_EQ(message.find("loss of rank 1 is nan in step 124 (host n02): the newest checkpoint"), 0u) << message;
  EXPECT_EQ(message.find("--replay"), std::string::npos) << "there is nothing to replay";
  TrainConfig config;
  config.non_finite = NonFinite::skip;
  EXPECT_EQ(ended(config, run, state), "");
  EXPECT_EQ(state.skipped, 1u);
}

}  // namespace
}  // namespace msn
