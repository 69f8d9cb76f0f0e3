// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/lease_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/utc.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostBytes = 4096;
constexpr std::size_t kMostOfAName = 200;  ///< Of a host or job.

// Of equal length.
constexpr const char* kHeld = "held";
constexpr const char* kFree = "free";

/// Closes itself; FileHandle throws where a look wants to tell errors apart.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Up to kMostBytes + 1 bytes; -1 and errno as read(2).
ssize_t read_beginning(int fd, std::string& text) {
  text.resize(kMostBytes + 1);
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::pread(fd, text.data() + have, text.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return got;
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return static_cast<ssize_t>(have);
}

std::string seconds_ago(const std::string& renewed) {
  const auto time = utc_time(renewed);
  if (!time) return "";
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - *time);
  return " (" + std::to_string(std::max<std::int64_t>(0, passed.count())) + " s ago)";
}

}  // namespace

fs::path lease_file(const fs::path& run) {
  return run / "lease.json";
}

std::string lease_text(const LeaseRecord& record) {
  const ProcessIdentity& process = record.process;
  const Json json = {{"format_version", LeaseRecord::kFormatVersion},
                     {"generation", record.generation},
                     {"nonce", record.nonce},
                     {"job", record.job.substr(0, kMostOfAName)},
                     {"host", process.host.substr(0, kMostOfAName)},
                     {"boot", process.boot},
                     {"numbers", process.numbers},
                     {"pid", process.pid},
                     {"started", process.started},
                     {"since", record.since},
                     {"renewed", record.renewed},
                     {"state", record.held ? kHeld : kFree}};
  return json.dump(0, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<LeaseRecord> parse_lease(std::string_view text) {
  try {
    const Json json = parse_json(text, "", "");
    if (json.at("format_version") != LeaseRecord::kFormatVersion) return std::nullopt;
    LeaseRecord record;
    record.generation = json.at("generation").get<std::uint64_t>();
    record.nonce = json.at("nonce");
    record.job = json.at("job");
    record.process.host = json.at("host");
    record.process.boot = json.at("boot");
    record.process.numbers = json.at("numbers");
    record.process.pid = json.at("pid");
    record.process.started = json.at("started").get<std::uint64_t>();
    record.since = json.at("since");
    record.renewed = json.at("renewed");
    const std::string state = json.at("state");
    if (state != kHeld && state != kFree) return std::nullopt;
    record.held = state == kHeld;
    return record;
  } catch (const Error&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

LeaseSight look_at_lease(const fs::path& run) {
  const fs::path file = lease_file(run);
  constexpr int tries = 5;  // A file that is replaced on another host may be stale once here.
  for (int attempt = 1;; ++attempt) {
    const Descriptor fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    LeaseSight sight;
    if (fd.get() < 0 && errno == ENOENT) return sight;
    sight.is_there = true;
    if (fd.get() < 0 && (errno == ELOOP || errno == ENXIO)) return sight;  // A link, a socket.
    struct stat facts {};
    if (fd.get() >= 0 && ::fstat(fd.get(), &facts) == 0) {
      if (!S_ISREG(facts.st_mode)) return sight;
      if (read_beginning(fd.get(), sight.text) >= 0) {
        if (sight.text.size() <= kMostBytes) sight.record = parse_lease(sight.text);
        return sight;
      }
    }
    if (errno != ESTALE || attempt == tries) {
      throw system_error("cannot read the run folder's lease", file.string(), errno,
                         "check the rights of the run folder");
    }
  }
}

std::string holder_text(const LeaseRecord& record) {
  return (record.job.empty() ? "a job" : "job " + record.job) + " on host " + record.process.host + " (process " +
         std::to_string(record.process.pid) + ", generation " + std::to_string(record.generation) + ", since " +
         record.since + ")";
}

std::optional<std::string> describe_lease(const fs::path& run) {
  const LeaseSight sight = look_at_lease(run);
  if (!sight.is_there) return std::nullopt;
  if (!sight.record) return "damaged: " + lease_file(run).string() + " is no lease";
  const LeaseRecord& record = *sight.record;
  const std::string renewed = ", renewed " + record.renewed + seconds_ago(record.renewed);
  if (!record.held) return "free; given back by " + holder_text(record) + renewed;
  if (has_ended(record.process)) return "free; left behind by " + holder_text(record) + ", which has ended" + renewed;
  return "held by " + holder_text(record) + renewed;
}

}  // namespace msn
