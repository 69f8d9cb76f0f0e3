// SPDX-License-Identifier: Apache-2.0
#include "comm/collective_order.hpp"

#include "comm/devices.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

TEST(CollectiveOrder, AgreesWhereRanksDo) {
  CollectiveOrder order;
  EXPECT_NO_THROW(order.check(world()));
  order.add(CollectiveKind::sum, "Float", 17, "bucket 0");
  order.add(CollectiveKind::gather, "Double", 3, "metrics");
  EXPECT_NO_THROW(order.check(world()));
}

TEST(CollectiveOrder, NamesTheRankThatCallsOthers) {
  const int last = world().size() - 1;
  if (last == 0) return;  // Nobody to differ from.
  CollectiveOrder order;
  const bool here = world().rank() == last;
  order.add(CollectiveKind::sum, "Float", 17, here ? "bucket 1" : "bucket 0");
  order.add(CollectiveKind::sum, "Float", 17, here ? "bucket 0" : "bucket 1");
  std::string line;
  try {
    order.check(world());
  } catch (const AgreedError& error) {
    line = error.what();
  }
  const std::string expected = "rank " + std::to_string(last) +
                               " called other collectives (2 calls, the last sum of bucket 0, 17 x Float) than rank 0 "
                               "(2 calls, the last sum of bucket 1, 17 x Float)";
  EXPECT_NE(line.find(expected), std::string::npos) << line;
}

TEST(CollectiveOrder, NoticesAMissingCall) {
  if (world().size() == 1) return;
  CollectiveOrder order;
  order.add(CollectiveKind::sum, "Float", 17, "bucket 0");
  if (world().rank() != 1) order.add(CollectiveKind::sum, "Float", 17, "bucket 1");
  EXPECT_THROW(order.check(world()), AgreedError);
}

TEST(Places, AreGatheredFromAllRanks) {
  const std::vector<RankPlace> places = gather_places(world(), nullptr, {.compute = 3 + world().rank(), .writer = 1});
  MSN_ASSERT_ALL(places.size() == static_cast<std::size_t>(world().size()));
  for (int rank = 0; rank < world().size(); ++rank) {
    const RankPlace& place = places[static_cast<std::size_t>(rank)];
    EXPECT_EQ(place.rank, rank);
    EXPECT_EQ(place.host, world().host());
    EXPECT_EQ(place.machine, places[0].machine);
    EXPECT_EQ(place.device, "cpu");
    EXPECT_EQ(place.threads.compute, 3 + rank);
    EXPECT_EQ(place.threads.writer, 1);
    EXPECT_EQ(place.pci, "");
    EXPECT_FALSE(place.cores.empty());
  }
}

TEST(BindGpu, SaysOnAllRanksThatThereIsNone) {
  const auto line_for = [](const VisibleGpus& visible) {
    try {
      bind_gpu(world(), visible);
    } catch (const AgreedError& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      return std::string(error.what());
    }
    return std::string("none");
  };
  EXPECT_NE(line_for({false, {}, "it is not built"}).find("this msn was built without CUDA"), std::string::npos);
  const std::string line = line_for({true, {}, "the driver shows none"});
  EXPECT_NE(line.find("no device was found: the driver shows none"), std::string::npos) << line;
}

}  // namespace
}  // namespace msn
