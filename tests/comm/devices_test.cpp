// SPDX-License-Identifier: Apache-2.0
#include "comm/devices.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "comm/cores.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::string refusal(const std::function<void()>& call) {
  return test::refusal(call, ExitCode::config);
}

TEST(ChooseGpu, TakesTheOneThatTheLauncherShows) {
  EXPECT_EQ(choose_gpu(1, 0, 1), 0);
  EXPECT_EQ(choose_gpu(1, 5, 8), 0);  // Whether it is another rank's too, the PCI ids tell.
}

TEST(ChooseGpu, TakesTheOneOfTheLocalRank) {
  EXPECT_EQ(choose_gpu(8, 0, 8), 0);
  EXPECT_EQ(choose_gpu(8, 7, 8), 7);
  EXPECT_EQ(choose_gpu(8, 2, 3), 2);
}

TEST(ChooseGpu, RefusesFewerGpusThanRanksAndNone) {
  EXPECT_EQ(
      refusal([] { choose_gpu(4, 0, 8); }),
      "8 ranks of this host see 4 GPUs (--device cuda): start at most one rank for each GPU, for instance with mpirun "
      "--map-by ppr:4:node");
  EXPECT_NE(refusal([] { choose_gpu(2, 1, 3); }).find("ppr:2:node"), std::string::npos);
  EXPECT_NE(refusal([] { choose_gpu(0, 0, 1); }).find("no device was found"), std::string::npos);
}

RankPlace place(int rank, const std::string& machine, const std::string& pci) {
  RankPlace one;
  one.rank = rank;
  one.host = "host-" + machine;
  one.machine = machine;
  one.device = pci.empty() ? "cpu" : "A GPU";
  one.pci = pci;
  one.cores = std::to_string(rank % 4 * 8) + "-" + std::to_string(rank % 4 * 8 + 7);
  one.numa = std::to_string(rank % 4 / 2);
  return one;
}

TEST(DistinctGpus, AreDistinctOnOneMachineOnly) {
  const std::vector<RankPlace> good{place(0, "a", "01"), place(1, "a", "02"), place(2, "b", "01"), place(3, "b", "02")};
  EXPECT_NO_THROW(check_distinct_gpus(good));
  const std::vector<RankPlace> cpus{place(0, "a", ""), place(1, "a", "")};
  EXPECT_NO_THROW(check_distinct_gpus(cpus));
  std::vector<RankPlace> bad = good;
  bad.push_back(place(4, "b", "02"));
  const std::string line = refusal([&] { check_distinct_gpus(bad); });
  EXPECT_NE(line.find("ranks 3 and 4 have the same GPU: A GPU 02 (host host-b)"), std::string::npos) << line;
}

TEST(DistinctGpus, SeeThroughTheNamesOfContainers) {
  std::vector<RankPlace> places{place(0, "a", "01"), place(1, "a", "01")};
  places[1].host = "another-name";
  EXPECT_NE(refusal([&] { check_distinct_gpus(places); }).find("ranks 0 and 1"), std::string::npos);
}

TEST(PlaceTable, HasALineForEachRank) {
  const std::vector<RankPlace> places{place(0, "a", ""), place(1, "a", "0000:65:00.0")};
  const std::vector<std::string> expected{"rank  host    device              cores  NUMA",
                                          "0     host-a  cpu                 0-7    0",
                                          "1     host-a  A GPU 0000:65:00.0  8-15   0"};
  EXPECT_EQ(place_table(places), expected);
}

TEST(PlaceTable, IsShortForManyRanks) {
  std::vector<RankPlace> places;
  for (int rank = 0; rank < 1000; ++rank)
    places.push_back(place(rank, std::to_string(rank / 4), std::to_string(rank % 4)));
  const std::vector<std::string> lines = place_table(places);
  ASSERT_EQ(lines.size(), 34U);
  EXPECT_EQ(lines[0], "ranks    host     devices    cores  NUMA");
  EXPECT_EQ(lines[1], "0-3      host-0   4 x A GPU  0-31   0-1");
  EXPECT_EQ(lines[32], "124-127  host-31  4 x A GPU  0-31   0-1");
  EXPECT_EQ(lines[33], "and 218 more hosts");
}

TEST(PlaceTable, ShortensRanksThatAreDealtOutInTurn) {
  std::vector<RankPlace> places;
  for (int rank = 0; rank < 64; ++rank)
    places.push_back(place(rank, std::to_string(rank % 2), ""));
  const std::vector<std::string> lines = place_table(places);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_TRUE(lines[1].starts_with("0,2,4,6,8,10,12,14,16,18,...  host-0  32 x cpu")) << lines[1];
}

std::vector<RankPlace> places_with_threads(int ranks, ThreadCounts threads) {
  std::vector<RankPlace> places;
  for (int rank = 0; rank < ranks; ++rank) {
    places.push_back(place(rank, std::to_string(rank / 4), ""));
    places.back().threads = threads;
  }
  return places;
}

TEST(PlaceTable, HasTheThreadsThatAreKnown) {
  const std::vector<std::string> expected{"rank  host    device  cores  NUMA  threads: compute  loader  sums  writer",
                                          "0     host-0  cpu     0-7    0     8                 4       1     0",
                                          "1     host-0  cpu     8-15   0     8                 4       1     0"};
  EXPECT_EQ(place_table(places_with_threads(2, {.compute = 8, .loader = 4, .communication = 1})), expected);
  const std::vector<std::string> many = place_table(places_with_threads(40, {8, 4, 1, 1}));
  EXPECT_EQ(many[0], "ranks  host    devices  cores  NUMA  threads: compute  loader  sums  writer");
  EXPECT_EQ(many[10], "36-39  host-9  4 x cpu  0-31   0-1   32                16      4     4");
}

TEST(Oversubscription, IsMoreComputeThreadsThanCores) {
  EXPECT_EQ(oversubscription(places_with_threads(8, {.compute = 8, .loader = 8})), "") << "loaders give way";
  EXPECT_EQ(
      oversubscription(places_with_threads(8, {.compute = 9})),
      "more compute threads than cores: 4 ranks of host host-0 with 36 compute threads on 32 cores, and 1 more such "
      "hosts: lower runtime.threads (0 shares the cores out), or start fewer ranks a host");
  std::vector<RankPlace> shared = places_with_threads(2, {.compute = 4});
  shared[1].cores = shared[0].cores;
  EXPECT_EQ(oversubscription(shared), "") << "8 threads on 8 cores";
  shared[0].threads.compute = 5;
  EXPECT_NE(oversubscription(shared).find("2 ranks of host host-0 with 9 compute threads on 8 cores"),
            std::string::npos);
  std::vector<RankPlace> bound = places_with_threads(2, {.compute = 1});
  bound[0].threads.compute = 9;
  EXPECT_NE(oversubscription(bound).find("one of them with more than the cores it is bound to"), std::string::npos);
  bound[0].cores.clear();
  bound[1].cores.clear();
  EXPECT_EQ(oversubscription(bound), "") << "cores are not known";
}

TEST(UnequalHosts, AreNamed) {
  const auto on = [](const std::vector<std::string>& machines) {
    std::vector<RankPlace> places;
    for (const std::string& machine : machines)
      places.push_back(place(static_cast<int>(places.size()), machine, ""));
    return unequal_hosts(places);
  };
  EXPECT_EQ(on({}), "");
  EXPECT_EQ(on({"a", "a", "a"}), "");
  EXPECT_EQ(on({"a", "b", "b", "a"}), "");
  const std::string line = on({"a", "a", "b", "c", "c", "c", "b"});
  EXPECT_TRUE(line.starts_with("hosts have different numbers of ranks, 3 on host-c and 2 on host-a: every rank has"))
      << line;
}

TEST(PlaceTable, EscapesWhatOthersChose) {
  std::vector<RankPlace> places{place(0, "a", "")};
  places[0].host = "a\nb\x1b[2J";
  places[0].numa.clear();
  const std::vector<std::string> lines = place_table(places);
  EXPECT_EQ(lines[1].find_first_of("\n\x1b"), std::string::npos);
  EXPECT_TRUE(lines[1].ends_with("?"));
}

TEST(Ranges, ReadAsTheyAreWritten) {
  const std::vector<int> numbers{0, 1, 2, 3, 8, 10, 11};
  EXPECT_EQ(format_ranges(numbers), "0-3,8,10-11");
  EXPECT_EQ(parse_ranges("0-3,8,10-11"), numbers);
  EXPECT_EQ(format_ranges({}), "");
  EXPECT_EQ(parse_ranges("5"), std::vector<int>{5});
}

TEST(Ranges, RefuseWhatIsNone) {
  for (const char* text : {"", "a", "1-", "-1", "3-1", "1,,2", "1,", "1 2", "0-99999999999", "0-2000000000"})
    EXPECT_TRUE(parse_ranges(text).empty()) << text;
}

TEST(NumaNodes, ComeFromTheLists) {
  const test::TempDir folder;
  const auto add = [&](const std::string& name, const std::string& list) {
    std::filesystem::create_directories(folder.path() / name);
    std::ofstream(folder.path() / name / "cpulist") << list << "\n";
  };
  add("node0", "0-3,8-11");
  add("node1", "4-7,12-15");
  add("node10", "16");
  add("node2", "");  // Memory without cores.
  add("node", "0-63");
  add("power", "0-63");
  using Numbers = std::vector<int>;
  EXPECT_EQ(numa_nodes(Numbers{3}, folder.path()), Numbers{0});
  EXPECT_EQ(numa_nodes(Numbers{3, 4, 16}, folder.path()), (Numbers{0, 1, 10}));
  EXPECT_EQ(numa_nodes(Numbers{17}, folder.path()), Numbers{});
  EXPECT_EQ(numa_nodes(Numbers{0}, folder.path() / "absent"), Numbers{});
}

TEST(Cores, AreThoseOfThisProcess) {
  const std::vector<int> cores = allowed_core_numbers();
  ASSERT_FALSE(cores.empty());
  EXPECT_EQ(parse_ranges(format_ranges(cores)), cores);
}

}  // namespace
}  // namespace msn
