// SPDX-License-Identifier: Apache-2.0
#include "planning/assumptions.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "measured.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(Assumptions, AreReplacedByMeasurements) {
  const test::TempDir folder;
  std::ofstream(folder / "all.json")
      << "2 ranks, 2 on the first host\n"
      << R"({"command": "bench allreduce", "ranks": 2, "rates": [{"bytes": 4096, "way": "MPI", "seconds": 2e-5},)"
      << R"({"bytes": 4096, "way": "shared memory", "seconds": 1e-5}, {"bytes": 1024, "way": "MPI", "seconds": 3e-5}]})"
      << "\n"
      << R"({"command": "bench input", "threads": 2, "patch_rows": {"images_per_cpu_second": 70.5}})"
      << "\n"
      << R"({"command": "pack"})"
      << "\n"
      << test::measured_step(Config{}, 3, 5e8).dump() << "\n";
  Assumptions assumptions;
  calibrate(assumptions, folder / "all.json");
  EXPECT_EQ(assumptions.images_per_core.value, 70.5);
  EXPECT_EQ(assumptions.images_per_core.source, (folder / "all.json").string());
  ASSERT_EQ(assumptions.sums.size(), 2U);  // Of two ways the faster, by size.
  EXPECT_EQ(assumptions.sums[0].bytes, 1024);
  EXPECT_EQ(assumptions.sums[1].seconds, 1e-5);
  ASSERT_EQ(assumptions.steps.size(), 1U);
  EXPECT_EQ(assumptions.steps[0].ranks, 3);
  EXPECT_DOUBLE_EQ(assumptions.steps[0].products, 1.5);
  EXPECT_DOUBLE_EQ(assumptions.steps[0].waiting, 0.1);
  EXPECT_EQ(assumptions.decoded_per_core.source, "assumed");
}

TEST(Assumptions, RefuseWhatIsNoMeasurement) {
  const test::TempDir folder;
  Assumptions assumptions;
  for (const char* text :
       {"", "a table\n", "{\"command\": \"pack\"}\n", "{\"command\": \"bench step\"}\n", "{\"command\": 5}\n",
        "{\"command\": \"bench allreduce\", \"ranks\": 2}\n", "{half\n", "{\"command\": \"bench input\"}\n"}) {
    std::ofstream(folder / "bad.json") << text;
    EXPECT_THROW(calibrate(assumptions, folder / "bad.json"), Error) << text;
  }
  EXPECT_THROW(calibrate(assumptions, folder / "absent.json"), Error);
}

}  // namespace
}  // namespace msn
