// SPDX-License-Identifier: Apache-2.0
#include "comm/flight_recorder.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace msn {

namespace {

std::int64_t now() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::nanoseconds>(since_start).count());
}

}  // namespace

const char* to_string(Channel channel) {
  return channel == Channel::world ? "world" : "tensors";
}

const char* to_string(CollectiveKind kind) {
  constexpr const char* names[] = {"barrier", "broadcast", "gather", "sum", "max"};
  return names[static_cast<std::size_t>(kind)];
}

void FlightRecorder::set_step(std::uint64_t step) {
  const std::lock_guard guard(mutex_);
  step_ = step;
}

std::uint64_t FlightRecorder::issued(Channel channel, CollectiveKind kind, std::string what, std::uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  CollectiveRecord record;
  record.sequence = sequences_[static_cast<std::size_t>(channel)]++;
  record.channel = channel;
  record.kind = kind;
  record.what = std::move(what);
  record.bytes = bytes;
  record.step = step_;
  record.issued = now();
  if (counts_ != nullptr) counts_->issued[static_cast<std::size_t>(channel)] = record.sequence + 1;
  if (ring_.size() < capacity) {
    ring_.push_back(std::move(record));
  } else {
    ring_[next_ % capacity] = std::move(record);
  }
  return next_++;
}

CollectiveRecord* FlightRecorder::find(std::uint64_t number) {
  return number + capacity < next_ ? nullptr : &ring_[number % capacity];
}

void FlightRecorder::started(std::uint64_t number) {
  const std::lock_guard guard(mutex_);
  if (CollectiveRecord* record = find(number)) record->started = now();
}

void FlightRecorder::finished(std::uint64_t number) {
  const std::lock_guard guard(mutex_);
  CollectiveRecord* record = find(number);
  if (record == nullptr) return;
  record->finished = now();
  const auto channel = static_cast<std::size_t>(record->channel);
  if (record->started != 0) inside_[channel] += record->finished - record->started;
  finished_[channel] = std::max(finished_[channel], record->sequence + 1);
  if (counts_ != nullptr) counts_->finished[channel] = finished_[channel];
}

double FlightRecorder::seconds_inside(Channel channel) const {
  const std::lock_guard guard(mutex_);
  return 1e-9 * static_cast<double>(inside_[static_cast<std::size_t>(channel)]);
}

void FlightRecorder::publish(CollectiveCounts* counts) {
  const std::lock_guard guard(mutex_);
  counts_ = counts;
  if (counts == nullptr) return;
  for (std::size_t c = 0; c < 2; ++c) {
    counts->issued[c] = sequences_[c];
    counts->finished[c] = finished_[c];
  }
}

std::vector<CollectiveRecord> FlightRecorder::records() const {
  const std::lock_guard guard(mutex_);
  std::vector<CollectiveRecord> out(ring_);
  if (next_ > capacity) {
    const auto oldest = static_cast<std::ptrdiff_t>(next_ % capacity);
    std::rotate(out.begin(), out.begin() + oldest, out.end());
  }
  return out;
}

RecordedCollective::RecordedCollective(FlightRecorder& recorder, Channel channel, CollectiveKind kind, std::string what,
                                       std::uint64_t bytes)
    : recorder_(recorder),
      number_(recorder.issued(channel, kind, std::move(what), bytes)),
      exceptions_(std::uncaught_exceptions()) {
  recorder.started(number_);
}

RecordedCollective::~RecordedCollective() {
  if (std::uncaught_exceptions() == exceptions_) recorder_.finished(number_);
}

}  // namespace msn
