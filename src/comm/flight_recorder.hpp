// SPDX-License-Identifier: Apache-2.0
// What this rank communicated last: read when a job stalls, to tell which collective hangs and who is missing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace msn {

/// Collectives of one channel come in the same order on every rank; between channels there is no order.
enum class Channel : std::uint8_t { world, tensors };
enum class CollectiveKind : std::uint8_t { barrier, broadcast, gather, sum, max };

const char* to_string(Channel channel);
const char* to_string(CollectiveKind kind);

struct CollectiveRecord {
  std::uint64_t sequence = 0;  ///< Of its channel, from 0.
  Channel channel = Channel::world;
  CollectiveKind kind = CollectiveKind::barrier;
  std::string what;         ///< What it is for, in a word or two.
  std::uint64_t bytes = 0;  ///< That this rank gives.
  std::uint64_t step = 0;   ///< Of training.
  // Nanoseconds of the steady clock; 0: not yet.
  std::int64_t issued = 0;    ///< Asked for.
  std::int64_t started = 0;   ///< This rank began to communicate.
  std::int64_t finished = 0;  ///< This rank has the result.
};

/// How many collectives of each channel a rank has asked for and has finished; may lie in shared memory.
struct CollectiveCounts {
  std::atomic<std::uint64_t> issued[2];
  std::atomic<std::uint64_t> finished[2];
};

/// A ring of the last collectives. All calls may come from any thread.
class FlightRecorder {
 public:
  static constexpr std::size_t capacity = 2000;

  /// The step that records get from now on.
  void set_step(std::uint64_t step);

  /// A collective was asked for; gives its number for started() and finished(). One that has left the ring is ignored
  /// there.
  std::uint64_t issued(Channel channel, CollectiveKind kind, std::string what, std::uint64_t bytes);
  void started(std::uint64_t number);
  void finished(std::uint64_t number);

  /// Oldest first.
  std::vector<CollectiveRecord> records() const;

  /// Seconds from start to end, over all finished collectives of a channel.
  double seconds_inside(Channel channel) const;

  /// Keeps `counts` up to date from now on; nullptr: no longer.
  void publish(CollectiveCounts* counts);

 private:
  CollectiveRecord* find(std::uint64_t number);

  mutable std::mutex mutex_;
  std::vector<CollectiveRecord> ring_;
  std::uint64_t next_ = 0;           ///< Number of the next record; it stands at next_ % capacity.
  std::uint64_t sequences_[2] = {};  ///< Next of each channel.
  std::uint64_t finished_[2] = {};   ///< Sequence after the last that is finished.
  std::int64_t inside_[2] = {};      ///< Nanoseconds.
  CollectiveCounts* counts_ = nullptr;
  std::uint64_t step_ = 0;
};

/// Records a collective that begins and ends in one scope. If an exception leaves the scope it stays unfinished.
class RecordedCollective {
 public:
  RecordedCollective(FlightRecorder& recorder, Channel channel, CollectiveKind kind, std::string what,
                     std::uint64_t bytes);
  ~RecordedCollective();
  RecordedCollective(const RecordedCollective&) = delete;
  RecordedCollective& operator=(const RecordedCollective&) = delete;

 private:
  FlightRecorder& recorder_;
  const std::uint64_t number_;
  const int exceptions_;
};

}  // namespace msn
