// SPDX-License-Identifier: Apache-2.0
// MPI: start and end, who we are, agreement between ranks. Sums live in collectives.hpp.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/flight_recorder.hpp"

namespace msn {

/// Throws internal_error with MPI's own text if an MPI call fails.
#define MSN_CHECK_MPI(call) ::msn::check_mpi((call), #call, __FILE__, __LINE__)
void check_mpi(int code, const char* call, const char* file, int line);

/// An error that every rank throws at the same place, so that rank 0 alone may report it and MPI can end in order. Made
/// by World::agree and World::on_root; whoever else makes one must be sure that all ranks do.
class AgreedError : public Error {
 public:
  explicit AgreedError(const Error& error) : Error(error) {}
};

/// An error that every rank meets, but perhaps not at the same place of the program: rank 0 alone reports it and ends
/// the job; the others wait a moment for that, and end it themselves if it does not come.
class JobError : public Error {
 public:
  explicit JobError(const Error& error) : Error(error) {}
};

/// The ranks of this job. Made once, by main; ended by finalize() on the good path or by abort() on any other. The
/// destructor makes no MPI call: an exception that unwinds through it must not wait for other ranks.
class World {
 public:
  /// MPI_Init_thread: asks for MPI_THREAD_MULTIPLE and needs MPI_THREAD_FUNNELED. Throws usage_error, with the remedy,
  /// if MPI provides less, if srun started it without PMIx, or if the launcher says that it started N > 1 ranks but MPI
  /// sees one (an mpirun of another MPI, or a broken PMIx). Without a launcher the world has one rank. Communication
  /// goes over a duplicate of MPI_COMM_WORLD whose errors come back as codes.
  static World init(int* argc, char*** argv);

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  /// Rank and size among the ranks of this host.
  int local_rank() const noexcept { return local_rank_; }
  int local_size() const noexcept { return local_size_; }
  const std::string& host() const noexcept { return host_; }
  MPI_Comm comm() const noexcept { return comm_; }
  /// The ranks of this host, in the order of the world's. MPI_COMM_SELF if alone.
  MPI_Comm local_comm() const noexcept { return local_comm_; }
  /// What MPI provides: MPI_THREAD_FUNNELED to MPI_THREAD_MULTIPLE.
  int thread_level() const noexcept { return thread_level_; }
  /// What this rank communicated last. It lives as long as any copy of this world.
  FlightRecorder& recorder() const noexcept { return *recorder_; }

  /// The ranks of `comm`, which is duplicated: init() takes MPI_COMM_WORLD, and a program may split it into worlds of
  /// several sizes. All ranks of `comm` call; MPI must be up.
  static World over(MPI_Comm comm);

  /// A world of this process alone, for work that is done apart from other ranks. Needs no MPI.
  static World alone();

  void barrier() const;
  /// Rank `root`'s text on every rank.
  std::string broadcast(std::string text, int root = 0) const;
  void broadcast_bytes(std::span<std::byte> bytes, int root = 0) const;
  /// Every rank's text, in rank order, on every rank.
  std::vector<std::string> gather(const std::string& text) const;
  std::uint64_t sum(std::uint64_t value) const;
  std::uint64_t max(std::uint64_t value) const;
  bool any(bool flag) const { return max(flag ? 1 : 0) != 0; }
  bool all(bool flag) const { return !any(!flag); }

  /// Runs `phase` on every rank; if it threw on any, throws the error of the lowest such rank as an AgreedError on
  /// every rank, with that rank and its host in the text. An exception that is no msn::Error becomes an internal error.
  /// `phase` must not communicate: a rank that fails in it would leave the others waiting.
  void agree(const std::function<void()>& phase) const;

  /// Runs `decide` on rank 0 only and gives its text to all; its error is thrown on every rank as an AgreedError, with
  /// rank 0's host in the text if there are others.
  std::string on_root(const std::function<std::string()>& decide) const;

  /// MPI_Finalize, on the good path only: it waits for the other ranks.
  void finalize();

  /// Ends every rank with `code`, also from a thread and before or after MPI is up. Does not return.
  [[noreturn]] static void abort(int code);

 private:
  World() = default;
  RecordedCollective record(CollectiveKind kind, std::string what, std::uint64_t bytes) const;

  std::shared_ptr<FlightRecorder> recorder_ = std::make_shared<FlightRecorder>();
  MPI_Comm comm_ = MPI_COMM_NULL;
  MPI_Comm local_comm_ = MPI_COMM_NULL;
  int thread_level_ = MPI_THREAD_FUNNELED;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  std::string host_;
};

/// What the launcher's environment says before MPI is up.
struct LauncherClaim {
  std::string launcher;  ///< Empty: started by hand.
  int rank = 0;
  int size = 1;  ///< Where a launcher gives a rank but no size: rank + 1, the least it can be.
};
LauncherClaim launcher_claim();

/// Throws usage_error if MPI_Init would end this process, a task of a Slurm step without PMIx, with no word of ours.
/// Before MPI is up.
void check_slurm_step(const LauncherClaim& claim);

/// Throws usage_error if the launcher claims more than one rank and MPI sees one: every process would train alone and
/// write over the others' files.
void check_launch(const LauncherClaim& claim, int world_size);

}  // namespace msn
