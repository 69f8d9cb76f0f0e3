// SPDX-License-Identifier: Apache-2.0
#include "comm/world.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <optional>
#include <thread>

namespace msn {

void check_mpi(int code, const char* call, const char* file, int line) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw internal_error("MPI failed: " + std::string(text),
                       std::string(call) + " at " + file + ":" + std::to_string(line));
}

namespace {

std::string host_name() {
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) != 0) return "unknown";
  return name;
}

/// Gives rank `root`'s error to all and throws it on all.
[[noreturn]] void throw_on_all(const World& world, const std::optional<Error>& mine, int root) {
  const bool here = world.rank() == root;
  const auto share = [&](const std::string& text) { return world.broadcast(here ? text : std::string(), root); };
  const std::string code = share(here ? std::to_string(static_cast<int>(mine->code())) : "");
  const std::string problem = share(here ? mine->problem() : "");
  const std::string where = share(here ? mine->where() : "");
  const std::string remedy = share(here ? mine->remedy() : "");
  throw AgreedError(Error(static_cast<ExitCode>(std::stoi(code)), problem, where, remedy));
}

std::string with_host(const std::string& where, const World& world) {
  return (where.empty() ? "" : where + ", ") + "host " + world.host();
}

std::string with_place(const std::string& where, const World& world) {
  const std::string rank = "rank " + std::to_string(world.rank()) + " of " + std::to_string(world.size());
  return with_host(where.empty() ? rank : where + ", " + rank, world);
}

}  // namespace

World World::init(int* argc, char*** argv) {
  const LauncherClaim claim = launcher_claim();
  check_slurm_step(claim);
  int thread_level = 0;
  MSN_CHECK_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &thread_level));
  World world = over(MPI_COMM_WORLD);
  check_launch(claim, world.size_);
  if (thread_level < MPI_THREAD_FUNNELED) {
    throw usage_error("this MPI does not allow threads beside the one that communicates", "MPI_Init_thread",
                      "use an MPI built with thread support (MPI_THREAD_FUNNELED or more)");
  }
  return world;
}

World World::over(MPI_Comm comm) {
  World world;
  world.host_ = host_name();
  MSN_CHECK_MPI(MPI_Query_thread(&world.thread_level_));
  MSN_CHECK_MPI(MPI_Comm_dup(comm, &world.comm_));
  MSN_CHECK_MPI(MPI_Comm_set_errhandler(world.comm_, MPI_ERRORS_RETURN));
  MSN_CHECK_MPI(MPI_Comm_rank(world.comm_, &world.rank_));
  MSN_CHECK_MPI(MPI_Comm_size(world.comm_, &world.size_));
  MSN_CHECK_MPI(MPI_Comm_split_type(world.comm_, MPI_COMM_TYPE_SHARED, world.rank_, MPI_INFO_NULL, &world.local_comm_));
  MSN_CHECK_MPI(MPI_Comm_set_errhandler(world.local_comm_, MPI_ERRORS_RETURN));
  MSN_CHECK_MPI(MPI_Comm_rank(world.local_comm_, &world.local_rank_));
  MSN_CHECK_MPI(MPI_Comm_size(world.local_comm_, &world.local_size_));
  return world;
}

World World::alone() {
  World self;
  self.comm_ = MPI_COMM_SELF;
  self.local_comm_ = MPI_COMM_SELF;
  self.host_ = host_name();
  return self;
}

RecordedCollective World::record(CollectiveKind kind, std::string what, std::uint64_t bytes) const {
  return {*recorder_, Channel::world, kind, std::move(what), bytes};
}

void World::barrier() const {
  if (size_ == 1) return;
  const auto recorded = record(CollectiveKind::barrier, "barrier", 0);
  MSN_CHECK_MPI(MPI_Barrier(comm_));
}

void World::broadcast_bytes(std::span<std::byte> bytes, int root) const {
  if (size_ == 1) return;
  const auto recorded = record(CollectiveKind::broadcast, "bytes", bytes.size());
  constexpr std::size_t piece = std::size_t{1} << 30;  // MPI counts are ints.
  while (!bytes.empty()) {
    const std::size_t now = std::min(piece, bytes.size());
    MSN_CHECK_MPI(MPI_Bcast(bytes.data(), static_cast<int>(now), MPI_BYTE, root, comm_));
    bytes = bytes.subspan(now);
  }
}

std::string World::broadcast(std::string text, int root) const {
  std::uint64_t length = text.size();
  broadcast_bytes(std::as_writable_bytes(std::span(&length, 1)), root);
  text.resize(length);
  broadcast_bytes(std::as_writable_bytes(std::span(text)), root);
  return text;
}

std::vector<std::string> World::gather(const std::string& text) const {
  if (size_ == 1) return {text};
  const std::uint64_t total = sum(text.size());
  MSN_CHECK(total <= INT_MAX);  // On every rank alike, so that none is left waiting.
  const auto recorded = record(CollectiveKind::gather, "texts", text.size());
  const int length = static_cast<int>(text.size());
  std::vector<int> lengths(static_cast<std::size_t>(size_));
  MSN_CHECK_MPI(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, comm_));
  std::vector<int> starts(lengths.size());
  std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), 0);
  std::string joined(total, '\0');
  MSN_CHECK_MPI(
      MPI_Allgatherv(text.data(), length, MPI_CHAR, joined.data(), lengths.data(), starts.data(), MPI_CHAR, comm_));
  std::vector<std::string> texts;
  texts.reserve(lengths.size());
  for (std::size_t r = 0; r < lengths.size(); ++r) {
    texts.push_back(joined.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r])));
  }
  return texts;
}

std::uint64_t World::sum(std::uint64_t value) const {
  if (size_ == 1) return value;
  const auto recorded = record(CollectiveKind::sum, "number", sizeof value);
  MSN_CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_UINT64_T, MPI_SUM, comm_));
  return value;
}

std::uint64_t World::max(std::uint64_t value) const {
  if (size_ == 1) return value;
  const auto recorded = record(CollectiveKind::max, "number", sizeof value);
  MSN_CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_UINT64_T, MPI_MAX, comm_));
  return value;
}

void World::agree(const std::function<void()>& phase) const {
  std::optional<Error> mine;
  try {
    phase();
  } catch (...) {
    mine = to_error(std::current_exception());
    if (size_ > 1) mine = Error(mine->code(), mine->problem(), with_place(mine->where(), *this), mine->remedy());
  }
  int lowest = mine ? rank_ : size_;
  if (size_ > 1) {
    const auto recorded = record(CollectiveKind::max, "agreement", sizeof lowest);
    MSN_CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, &lowest, 1, MPI_INT, MPI_MIN, comm_));
  }
  if (lowest < size_) throw_on_all(*this, mine, lowest);
}

std::string World::on_root(const std::function<std::string()>& decide) const {
  std::string text;
  std::optional<Error> mine;
  if (rank_ == 0) {
    try {
      text = decide();
    } catch (...) {
      mine = to_error(std::current_exception());
      if (local_size_ < size_)
        mine = Error(mine->code(), mine->problem(), with_host(mine->where(), *this), mine->remedy());
    }
  }
  std::uint8_t failed = mine ? 1 : 0;
  broadcast_bytes(std::as_writable_bytes(std::span(&failed, 1)));
  if (failed != 0) throw_on_all(*this, mine, 0);
  return broadcast(std::move(text));
}

void World::finalize() {
  if (comm_ == MPI_COMM_NULL) return;
  MSN_CHECK_MPI(MPI_Comm_free(&local_comm_));
  MSN_CHECK_MPI(MPI_Comm_free(&comm_));
  MSN_CHECK_MPI(MPI_Finalize());
}

void World::abort(int code) {
  int initialized = 0, finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  if (initialized != 0 && finalized == 0) {
    // MPI_Abort asks others for help, and may wait for them: with a link that is down, for ever.
    try {
      std::thread([code] {
        std::this_thread::sleep_for(std::chrono::seconds(5));
        std::_Exit(code);
      }).detach();
    } catch (const std::exception&) {
      // No thread is to be had; MPI_Abort alone must do.
    }
    MPI_Abort(MPI_COMM_WORLD, code);
  }
  std::_Exit(code);
}

}  // namespace msn
