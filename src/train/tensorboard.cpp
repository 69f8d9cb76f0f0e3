// SPDX-License-Identifier: Apache-2.0
#include "train/tensorboard.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>

#include "base/crc32c.hpp"
#include "base/log.hpp"
#include "base/protobuf.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

// Fields of Event, Summary, Summary.Value and SessionLog (tensorflow/core/util/event.proto, framework/summary.proto).
namespace event_field {
constexpr std::uint32_t wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
namespace summary_field {
constexpr std::uint32_t value = 1;
}
namespace value_field {
constexpr std::uint32_t tag = 1, simple_value = 2;
}
namespace session_field {
constexpr std::uint32_t status = 1;
}
constexpr std::int64_t kSessionStart = 1;

constexpr std::string_view kNameBegins = "events.out.tfevents.";

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(bytes)));
  return std::rotr(crc, 15) + 0xa282ead8u;
}

/// Little-endian, `bytes` of them.
void append_number(std::string& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i)
    to.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

ProtobufMessage event_at(double time) {
  ProtobufMessage event;
  event.add_double(event_field::wall_time, time);
  return event;
}

/// The largest time in the names of the event files there; 0 if there are none.
std::uint64_t newest_time(const fs::path& folder) {
  std::uint64_t newest = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kNameBegins)) continue;
    std::uint64_t time = 0;
    std::from_chars(name.data() + kNameBegins.size(), name.data() + name.size(), time);
    newest = std::max(newest, time);
  }
  return newest;
}

/// The host's name without what a file name must not have.
std::string plain_host() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  std::string name = host;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return c <= ' ' || c == '/' || c >= 0x7f; }, '_');
  return name;
}

fs::path new_file(const fs::path& folder, double now) {
  const std::uint64_t time = std::max(static_cast<std::uint64_t>(std::max(0.0, now)), newest_time(folder) + 1);
  char digits[24];
  std::snprintf(digits, sizeof digits, "%010llu", static_cast<unsigned long long>(time));
  return folder / (std::string(kNameBegins) + digits + "." + plain_host() + "." + std::to_string(::getpid()) + ".0");
}

}  // namespace

std::string tfrecord(std::string_view bytes) {
  std::string record;
  append_number(record, bytes.size(), 8);
  append_number(record, masked_crc(record), 4);
  record.append(bytes);
  append_number(record, masked_crc(bytes), 4);
  return record;
}

TensorBoardFile::TensorBoardFile(const fs::path& folder, std::uint64_t completed_steps, double now) : path_(folder) {
  try {
    if (::mkdir(folder.c_str(), 0750) == 0 || fs::is_directory(folder)) path_ = new_file(folder, now);
  } catch (const fs::filesystem_error&) {
    // The file cannot be opened then.
  }
  out_.open(path_, std::ios::binary | std::ios::app);
  ProtobufMessage version = event_at(now);
  version.add_bytes(event_field::file_version, "brain.Event:2");
  append(version.bytes());
  ProtobufMessage session, start = event_at(now);
  session.add_integer(session_field::status, kSessionStart);
  start.add_integer(event_field::step, static_cast<std::int64_t>(completed_steps + 1));
  start.add_message(event_field::session_log, session);
  append(start.bytes());
}

void TensorBoardFile::write(std::uint64_t step, double time, std::span<const EventScalar> scalars) {
  ProtobufMessage summary;
  for (const EventScalar& scalar : scalars) {
    ProtobufMessage value;
    value.add_bytes(value_field::tag, scalar.tag);
    value.add_float(value_field::simple_value, static_cast<float>(scalar.value));
    summary.add_message(summary_field::value, value);
  }
  ProtobufMessage event = event_at(time);
  event.add_integer(event_field::step, static_cast<std::int64_t>(step));
  event.add_message(event_field::summary, summary);
  append(event.bytes());
}

void TensorBoardFile::append(std::string_view event) {
  out_ << tfrecord(event) << std::flush;
  if (!out_ && !warned_) {
    warned_ = true;
    log::warn("cannot write " + path_.string() + " (disk full?); training goes on without TensorBoard's events");
  }
}

}  // namespace msn
