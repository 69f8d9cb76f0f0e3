// SPDX-License-Identifier: Apache-2.0
#include "comm/devices.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"

namespace msn {
namespace {

using test::world;

// Every rank gets the same line, of which rank 0 alone prints it.
TEST(BindGpu, RefusesMoreRanksThanGpusOnAllRanks) {
  const int ranks = world().size();
  VisibleGpus visible{.built_with_cuda = true, .gpus = {}, .why_none = "CUDA_VISIBLE_DEVICES hides them"};
  if (ranks > 2) visible.gpus.assign(static_cast<std::size_t>(ranks - 1), Gpu{"A GPU", "0000:65:00.0", 9});
  const std::string line = test::refusal(
      [&] {
        try {
          bind_gpu(world(), visible);
        } catch (const AgreedError&) {
          throw;
        } catch (const Error& error) {
          ADD_FAILURE() << "not agreed: " << error.what();
          throw;
        }
      },
      ExitCode::config);
  const std::string count = std::to_string(ranks), fewer = std::to_string(ranks - 1);
  const std::string place =
      ranks > 1 ? ", rank 0 of " + count + ", host " + world().broadcast(world().host()) : std::string();
  EXPECT_EQ(line, ranks > 2 ? count + " ranks of this host see " + fewer + " GPUs (--device cuda" + place +
                                  "): start at most one rank for each GPU, for instance with mpirun --map-by ppr:" +
                                  fewer + ":node"
                            : "no device was found: CUDA_VISIBLE_DEVICES hides them (--device cuda" + place +
                                  "): look at nvidia-smi and CUDA_VISIBLE_DEVICES on this host, or use --device cpu");
}

}  // namespace
}  // namespace msn
