// SPDX-License-Identifier: Apache-2.0
// Which rank computes where: the rules that bind ranks to GPUs, and the table of all ranks.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "comm/gpus.hpp"
#include "comm/world.hpp"

namespace msn {

/// Number of the GPU, among `visible` ones, of the rank `local_rank` of `local_size` on a host. If the launcher shows
/// each rank one GPU, that; if a rank sees one for each rank of the host or more, the one of its local rank. Throws
/// config_error if there are none, or fewer than ranks but more than one: NCCL takes no GPU twice.
int choose_gpu(int visible, int local_rank, int local_size);

/// Threads that a rank runs beside its main one's own: what may compete for its cores.
struct ThreadCounts {
  int compute = 0;        ///< LibTorch's and our kernels', one pool, the main thread among them; 0: unknown.
  int loader = 0;         ///< Of low priority.
  int communication = 0;  ///< Sums over ranks beside the computation; sleeps while there are none.
  int writer = 0;         ///< Of checkpoints; there only while one is written.
};

/// Where one rank computes.
struct RankPlace {
  int rank = 0;
  std::string host;
  std::string machine;  ///< The same text on all ranks of one machine, whatever names its containers have.
  std::string device;   ///< "cpu" or the GPU's name.
  std::string pci;      ///< Of the GPU; empty on the CPU.
  std::string cores;    ///< It may use, "0-3,8".
  std::string numa;     ///< Nodes of these cores, "0-1"; empty: unknown.
  ThreadCounts threads;
};

/// Every rank's place, in rank order, on every rank. `gpu` is nullptr on the CPU. All ranks call.
std::vector<RankPlace> gather_places(const World& world, const Gpu* gpu, const ThreadCounts& threads = {});

/// Throws config_error that names both ranks if two on one machine have the same GPU.
void check_distinct_gpus(std::span<const RankPlace> places);

/// Picks this rank's GPU among those visible, makes it current and checks that no other rank has it. Throws an agreed
/// config_error if a rank has none. All ranks call, before anything else uses CUDA.
Gpu bind_gpu(const World& world, const VisibleGpus& visible);

/// Aligned lines with a heading, without line ends, and with threads if rank 0's are known. A line for each rank; above
/// `most` ranks a line for each machine, and above `most` machines the first of them and how many more there are.
std::vector<std::string> place_table(std::span<const RankPlace> places, std::size_t most = 32);

/// A warning if hosts have different numbers of ranks, naming one with the most and one with the fewest. Else empty.
std::string unequal_hosts(std::span<const RankPlace> places);

/// A warning if the compute threads of the ranks of a machine are more than the cores that these ranks may use, or
/// those of one rank more than its own: of the first such machine, and how many more there are. Else empty.
std::string oversubscription(std::span<const RankPlace> places);

}  // namespace msn
