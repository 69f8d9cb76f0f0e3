// SPDX-License-Identifier: Apache-2.0
// Which back ends of matrix products a job takes: what is asked for, or what was recorded.
#include "train/gemm_setup.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/state.hpp"
#include "kernels/instruction_set.hpp"
#include "model/gemm.hpp"
#include "train/tiny_run.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::on_rank_0;
using test::world;

#define EXPECT_SAYS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

class GemmSetup : public testing::Test {
 protected:
  ~GemmSetup() override {
    log::leave_files();
    set_gemm(before_);
  }

  /// A table that is not the default one, and that this LibTorch has.
  static GemmTable unusual() {
    GemmTable table = usual();
    GemmBackend& backend = table.of(GemmKind::fp32_forward);
    backend = backend == GemmBackend::mkl ? GemmBackend::onednn : GemmBackend::mkl;
    return table;
  }
  static GemmTable usual() { return supported(default_gemm_table(kernels::processor_vendor())); }

  static StepSurroundings recorded(const std::string& gemm, const std::string& processor = kernels::processor_name()) {
    StepSurroundings surroundings = surroundings_here(world(), 1);
    surroundings.processor = processor;
    surroundings.gemm = gemm;
    return surroundings;
  }

  fs::path written(const std::string& name, const TunedGemm& tuned) const {
    on_rank_0([&] { std::ofstream(dir_.path() / name) << tuned_gemm_text(tuned); });
    world().barrier();
    return dir_.path() / name;
  }
  /// What set_up() logs on rank 0, on every rank.
  std::string log_of(const std::function<void()>& set_up) const {
    const fs::path file = dir_.path() / "log.txt";
    on_rank_0([&] {
      fs::remove(file);
      log::add_file(file);
    });
    set_up();
    return world().on_root([&] {
      log::flush();
      log::leave_files();
      return read_text(file);
    });
  }
  static std::string refusal(const fs::path& asked) {
    try {
      tell(set_up_gemm(world(), asked));
    } catch (const AgreedError& error) {
      EXPECT_EQ(error.code(), ExitCode::config) << error.what();
      return error.what();
    }
    return "nothing was thrown";
  }

  test::SharedDir dir_;

 private:
  GemmTable before_ = gemm_in_force();
};

TEST_F(GemmSetup, TakesWhatIsAskedForAndSaysSo) {
  EXPECT_SAYS(log_of([] { tell(set_up_gemm(world(), "auto")); }), "matrix products by " + to_text(usual()) +
                                                                ", the default for this processor (" +
                                                                kernels::processor_name() + ")");
  EXPECT_EQ(gemm_in_force(), usual());
  for (const GemmBackend backend : {GemmBackend::mkl, GemmBackend::onednn}) {
    const GemmTable table = supported(gemm_table_of(backend));
    EXPECT_SAYS(log_of([&] { tell(set_up_gemm(world(), name_of(backend))); }), "matrix products by " + to_text(table));
    EXPECT_EQ(gemm_in_force(), table);
  }
}

TEST_F(GemmSetup, TakesAFileThatWasMeasuredOnThisKindOfProcessorOnly) {
  TunedGemm tuned{kernels::processor_name(), "1.0.0", unusual()};
  const fs::path file = written("tuned.json", tuned);
  const std::string log = log_of([&] { tell(set_up_gemm(world(), file)); });
  EXPECT_SAYS(log, "warning the back ends of matrix products were measured with LibTorch 1.0.0");
  EXPECT_SAYS(log, "as " + file.string() + " says");
  EXPECT_EQ(gemm_in_force(), unusual());
  tuned.processor = "Intel, MMX";
  EXPECT_SAYS(refusal(written("other.json", tuned)), "measured on another kind of processor: Intel, MMX");
  EXPECT_SAYS(refusal(dir_.path() / "none"), "none");
  EXPECT_SAYS(refusal(""), "runtime.gemm is \"auto\"");
  EXPECT_EQ(gemm_in_force(), unusual()) << "a refusal changes nothing";
}

TEST_F(GemmSetup, GoesOnWithWhatWasRecordedOnTheSameKindOfProcessor) {
  const std::string log = log_of([&] { tell(set_up_gemm(world(), "auto", recorded(to_text(unusual())))); });
  EXPECT_SAYS(log, "matrix products by " + to_text(unusual()) + ", as recorded; a new run would take " +
                       to_text(usual()) + ", the default for this processor");
  EXPECT_EQ(gemm_in_force(), unusual());
  tell(set_up_gemm(world(), "auto", recorded(to_text(unusual()), "Intel, MMX")));
  EXPECT_EQ(gemm_in_force(), usual()) << "recorded on another kind of processor";
  tell(set_up_gemm(world(), "mkl", recorded("")));
  EXPECT_EQ(gemm_in_force(), supported(gemm_table_of(GemmBackend::mkl))) << "nothing is recorded";
  tell(set_up_gemm(world(), "auto", recorded("fp8.forward=cublas")));
  EXPECT_EQ(gemm_in_force(), usual()) << "a newer version recorded what is not known here";
}

TEST_F(GemmSetup, ARunThatGoesOnKeepsItsBackEndsUntilItsKeyChanges) {
  Config config = test::tiny_run("data", 12);
  CheckpointFacts facts = test::facts_of_step(10);
  facts.config_toml = to_toml(config);
  set_gemm(unusual());
  record(surroundings_here(world(), 1), facts);
  EXPECT_EQ(facts.gemm, to_text(unusual()));
  test::SmallState state(10);
  write_checkpoint(world(), dir_.path(), facts, state.tensors(), 1);
  const fs::path checkpoint = checkpoints_folder(dir_.path()) / step_name(10);

  tell(set_up_gemm_of_run(world(), config, std::nullopt));
  EXPECT_EQ(gemm_in_force(), usual()) << "a new run";
  tell(set_up_gemm_of_run(world(), config, checkpoint));
  EXPECT_EQ(gemm_in_force(), unusual());
  EXPECT_EQ(why_not_bits(recorded(to_text(unusual())), surroundings_here(world(), 1)), "");
  config.runtime.gemm = "mkl";
  tell(set_up_gemm_of_run(world(), config, checkpoint));
  EXPECT_EQ(gemm_in_force(), supported(gemm_table_of(GemmBackend::mkl)));
  EXPECT_SAYS(why_not_bits(recorded("onednn"), surroundings_here(world(), 1)),
              "the back end of matrix products was onednn and is now mkl");
}

}  // namespace
}  // namespace msn
