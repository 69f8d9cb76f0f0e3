// SPDX-License-Identifier: Apache-2.0
// Kokkos lives around all tests: on GPU 0 if it has CUDA, else in host memory.
#include <gtest/gtest.h>

#include "kernels/device/session.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const msn::kernels::device::KokkosSession session(0);
  return RUN_ALL_TESTS();
}
