// SPDX-License-Identifier: Apache-2.0
// Checkpoints as released versions wrote them stay readable, to the bit. Those in format_1/ were made by
//   mpirun -n 2 build/release/tests/checkpoint_program write --run DIR --step STEP --seed STEP
// at steps 20, by a version whose manifests told nothing of threads and libraries and had no hash of their own, and 40.
// A later format adds a folder; none is ever made anew.
#include <gtest/gtest.h>

#include "base/hash.hpp"
#include "checkpoint/choose.hpp"
#include "checkpoint/state.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = MSN_CHECKPOINT_TEST_DIR "/format_1";

void expect_content(const fs::path& checkpoint, const CheckpointFacts& facts, std::uint64_t seed) {
  const DamageReport report = find_damage(checkpoint);
  EXPECT_TRUE(report.damage.empty()) << report.damage.front();
  EXPECT_TRUE(report.unknown.empty());
  const Manifest manifest = read_manifest(checkpoint);
  EXPECT_EQ(manifest.facts, facts);
  EXPECT_EQ(manifest.files.size(), 2u);
  test::SmallState state(0);
  read_checkpoint(checkpoint, state.tensors());
  EXPECT_TRUE(state == test::SmallState(seed));
}

TEST(Format, OneFromBeforeSurroundingsWereRecorded) {
  CheckpointFacts facts = test::facts_of_step(20);
  facts.threads = 0;
  facts.torch.clear();
  facts.instruction_set.clear();
  facts.processor.clear();
  facts.gemm.clear();
  expect_content(kFolder / "step-00000020", facts, 20);
  EXPECT_EQ(read_manifest(kFolder / "step-00000020").files[0].hash, "b159328cebde23dade8b9660e9710ee7");
}

TEST(Format, One) {
  CheckpointFacts facts = test::facts_of_step(40);
  // From before there was a choice of back ends.
  facts.processor.clear();
  facts.gemm.clear();
  expect_content(kFolder / "step-00000040", facts, 40);
}

}  // namespace
}  // namespace msn
