// SPDX-License-Identifier: Apache-2.0
#include "comm/watchdog.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "comm/bounded.hpp"
#include "comm/crash.hpp"
#include "comm/flight_file.hpp"
#include "comm/heartbeat_page.hpp"
#include "comm/stall.hpp"

namespace msn {

namespace {

using std::chrono::milliseconds;

// The end of a job takes at most the sum of these after the limit, and 5 s of World::abort.
constexpr milliseconds kFileLimit{1500};     ///< For a file system to take a record.
constexpr milliseconds kOthersLimit{1500};   ///< For the other ranks to write theirs.
constexpr milliseconds kSpeakerLimit{4000};  ///< For the rank that speaks to end the others.
constexpr milliseconds kQuietRank{1000};     ///< For a rank that can name what is waited for to speak first.

Seconds seconds_from(std::int64_t nanoseconds) {
  return std::chrono::nanoseconds(nanoseconds);
}

std::string whole(Seconds seconds) {
  return std::to_string(std::lround(seconds.count()));
}

std::string draw_life() {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", std::random_device{}());
  return text;
}

/// What the watchdogs of all hosts write into, so that one of them speaks.
std::filesystem::path stall_file(const std::filesystem::path& folder, const std::string& life) {
  return folder / ("stall-" + life + ".txt");
}

void make_folder(const std::filesystem::path& folder) {
  if (std::filesystem::create_directories(folder)) {
    std::filesystem::permissions(folder, std::filesystem::perms(0750));
  }
}

}  // namespace

class Watchdog::Impl {
 public:
  Impl(const World& world, WatchdogOptions options)
      : world_(world),
        options_(std::move(options)),
        hosts_(world.gather(world.host())),
        life_(world.broadcast(draw_life())),
        page_(world),
        sections_(page_.mine(), world.recorder(), world.rank()),
        crash_place_(page_.mine()),
        tick_(tick_of(options_.limit)),
        clock_(tick_) {
    if (options_.limit > Seconds(0)) wake_ = ::eventfd(0, EFD_CLOEXEC);
    world_.agree([&] {
      if (options_.limit > Seconds(0) && wake_ < 0) {
        throw system_error("cannot make an event", "watchdog", errno, "look at the limit of open files");
      }
    });
    world.recorder().publish(&page_.mine().collectives);
    if (wake_ < 0) return;
    thread_ = std::thread([this] { watch(); });
  }

  ~Impl() {
    if (thread_.joinable()) {
      const std::uint64_t one = 1;
      if (::write(wake_, &one, sizeof one) < 0) std::terminate();  // Not possible on an event that is open.
      thread_.join();
    }
    if (wake_ >= 0) ::close(wake_);
    world_.recorder().publish(nullptr);
  }

  Sections& sections() { return sections_; }

 private:
  /// False at the end of the watch.
  bool sleep_a_tick() const {
    pollfd event{wake_, POLLIN, 0};
    const auto wait = std::chrono::ceil<milliseconds>(tick_);
    return ::poll(&event, 1, static_cast<int>(wait.count())) <= 0;
  }

  void watch() {
    std::int64_t last = steady_nanoseconds();
    while (sleep_a_tick()) {
      const std::int64_t now = steady_nanoseconds();
      const std::uint64_t entries = heartbeat().entries.load(std::memory_order_acquire);
      const Seconds counted = clock_.tick(seconds_from(now - std::exchange(last, now)), entries);
      if (page_.host().stalled != 0) end_with_host();
      if (counted == Seconds(0)) {
        if (spoke_) run_bounded(kFileLimit, [text = who() + " goes on"] { log::warn_of_any_rank(text); });
        warned_ = spoke_ = false;
        continue;
      }
      const Seconds limit = limit_of(heartbeat().section, heartbeat().lenient, options_.copies_data, options_.limit);
      if (counted >= limit / 3 && !warned_) warn(limit);
      if (counted >= limit) {
        if (is_debugged()) {
          clock_.reset();
        } else {
          page_.host().stalled = now;
          end_with_host();
        }
      }
    }
  }

  const Heartbeat& heartbeat() const { return page_.mine(); }

  std::string who() const {
    return "rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + " (host " +
           world_.host() + ")";
  }

  RankView view_of(const Heartbeat& beat) const {
    RankView view;
    view.rank = beat.rank;
    view.host = hosts_[static_cast<std::size_t>(view.rank)];
    view.known = true;
    view.section = beat.section;
    view.seconds = seconds_from(steady_nanoseconds() - beat.since.load()).count();
    view.step = beat.step;
    for (std::size_t c = 0; c < 2; ++c) {
      view.issued[c] = beat.collectives.issued[c];
      view.finished[c] = beat.collectives.finished[c];
    }
    view.process = process_state(beat.pid);
    return view;
  }

  std::vector<RankView> views_of_host() const {
    std::vector<RankView> views;
    for (const Heartbeat& beat : page_.all()) {
      if (beat.pid != 0) views.push_back(view_of(beat));
    }
    return views;
  }

  bool sees_other_hosts() const {
    return !options_.folder.empty() && page_.all().size() < static_cast<std::size_t>(world_.size());
  }

  /// All ranks, in order: of this host by the page, of others by their flight records. Fills `awaited` from a record if
  /// this rank itself waits for nothing.
  std::vector<RankView> views_of_world(std::optional<CollectiveRecord>& awaited) const {
    std::vector<RankView> views(static_cast<std::size_t>(world_.size()));
    for (std::size_t r = 0; r < views.size(); ++r) {
      views[r].rank = static_cast<int>(r);
      views[r].host = hosts_[r];
    }
    for (RankView& view : views_of_host())
      views[static_cast<std::size_t>(view.rank)] = std::move(view);
    if (!sees_other_hosts()) return views;
    // The thread that reads may outlive this one: it owns what it fills.
    const auto glances = std::make_shared<std::vector<std::optional<FlightGlance>>>(views.size());
    std::vector<int> others;
    for (const RankView& view : views) {
      if (!view.known) others.push_back(view.rank);
    }
    const bool read = run_bounded(kFileLimit, [glances, others, folder = options_.folder, life = life_] {
      for (const int r : others)
        (*glances)[static_cast<std::size_t>(r)] = read_flight_file(flight_file(folder, r), life);
    });
    if (!read) return views;
    const std::uint64_t step = heartbeat().step;
    const double oldest = 2 * limit_of(heartbeat().section, true, options_.copies_data, options_.limit).count();
    for (const auto& glance : *glances) {
      // A stall that has passed by leaves its records behind.
      if (!glance || glance->age > oldest || glance->view.step + 1 < step) continue;
      views[static_cast<std::size_t>(glance->view.rank)] = glance->view;
      if (!awaited) awaited = glance->awaited;
    }
    return views;
  }

  std::string describe() const {
    auto awaited = unfinished(world_.recorder().records());
    const auto views = views_of_world(awaited);
    return describe_stall(views, awaited);
  }

  bool is_debugged() const {
    std::optional<CollectiveRecord> awaited;
    const auto views = views_of_world(awaited);
    return std::any_of(views.begin(), views.end(),
                       [](const RankView& view) { return view.process == ProcessState::traced; });
  }

  void write_record(const std::string& reason) const {
    if (options_.folder.empty()) return;
    FlightFacts facts;
    facts.life = life_;
    facts.reason = reason;
    facts.ranks = world_.size();
    facts.self = view_of(heartbeat());
    facts.sections = sections_.history();
    facts.collectives = world_.recorder().records();
    facts.neighbours = views_of_host();
    run_bounded(kFileLimit, [text = flight_text(facts), folder = options_.folder, rank = world_.rank()] {
      make_folder(folder);
      write_durably(flight_file(folder, rank), text);
    });
  }

  /// At a third of the limit: this rank's record, and one line for each host.
  void warn(Seconds limit) {
    warned_ = true;
    const std::int64_t since = heartbeat().since;
    const std::string text =
        who() + " has been in " + to_string(heartbeat().section) + " for " +
        whole(seconds_from(steady_nanoseconds() - since)) + " s: " + describe() +
        (is_debugged() ? "; a debugger is attached: nobody is ended" : "; the job ends at " + whole(limit) + " s");
    write_record("a third of the limit has passed");
    std::int64_t before = page_.host().warned;
    if (before >= since || !page_.host().warned.compare_exchange_strong(before, steady_nanoseconds())) return;
    spoke_ = true;
    run_bounded(kFileLimit, [text] { log::warn_of_any_rank(text); });
  }

  /// Some rank of this host has reached its limit: every rank writes down what it knows, one speaks, all end.
  [[noreturn]] void end_with_host() {
    write_record("the job is ended: a section reached its limit");
    page_.mine().recorded = true;
    if (may_speak()) speak();
    std::this_thread::sleep_for(kSpeakerLimit);
    World::abort(static_cast<int>(ExitCode::watchdog));
  }

  /// Others of this host have not come as far: this rank has left something out.
  bool is_ahead() const {
    return std::any_of(page_.all().begin(), page_.all().end(), [&](const Heartbeat& beat) {
      return beat.pid != 0 &&
             beat.collectives.issued[0] + beat.collectives.issued[1] >
                 beat.collectives.finished[0] + beat.collectives.finished[1] &&
             beat.step < heartbeat().step;
    });
  }

  bool may_speak() const {
    if (!unfinished(world_.recorder().records()) || is_ahead()) std::this_thread::sleep_for(kQuietRank);
    std::int32_t nobody = 0;
    if (!page_.host().speaker.compare_exchange_strong(nobody, 1 + page_.own_place())) return false;
    if (!sees_other_hosts()) return true;
    // One of the hosts: whoever makes the file. A file system that does not answer leaves each host its own word.
    const auto lost = std::make_shared<std::atomic<bool>>(false);
    const bool answered =
        run_bounded(kFileLimit, [lost, folder = options_.folder, file = stall_file(options_.folder, life_)] {
          make_folder(folder);
          const int fd = ::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
          if (fd < 0) *lost = errno == EEXIST;
          if (fd >= 0) ::close(fd);
        });
    return !answered || !*lost;
  }

  /// Waits until every rank has written its record that can, for a short time.
  void wait_for_records() const {
    const auto all_here = [&] {
      return std::all_of(page_.all().begin(), page_.all().end(),
                         [](const Heartbeat& beat) { return beat.pid == 0 || beat.recorded; });
    };
    for (milliseconds waited{0}; waited < kOthersLimit && (sees_other_hosts() || !all_here());
         waited += milliseconds(20))
      std::this_thread::sleep_for(milliseconds(20));
  }

  [[noreturn]] void speak() {
    std::string stall = describe();
    wait_for_records();
    if (sees_other_hosts()) stall = describe();  // Now that they have told.
    const std::string records =
        options_.folder.empty() ? "" : "; flight records of the ranks lie in " + options_.folder.string();
    const Error error(ExitCode::watchdog, stall, options_.setting + " = " + whole(options_.limit) + " s",
                      "look at that host, then run the same command again" + records);
    const std::string line = std::string("msn: error: ") + error.what() + "\n";
    // No lock on the way: the thread that is stuck may hold it.
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) {
      // There is nowhere left to say so.
    }
    if (!options_.folder.empty()) {
      run_bounded(kFileLimit, [line, folder = options_.folder, life = life_] {
        make_folder(folder);
        write_durably(stall_file(folder, life), line);
      });
    }
    World::abort(static_cast<int>(ExitCode::watchdog));
  }

  const World& world_;
  const WatchdogOptions options_;
  const std::vector<std::string> hosts_;
  const std::string life_;
  HeartbeatPage page_;
  Sections sections_;
  CrashPlace crash_place_;
  const Seconds tick_;
  StallClock clock_;
  bool warned_ = false;  ///< Of the present stay in a section.
  bool spoke_ = false;   ///< And this rank said so for its host.
  int wake_ = -1;
  std::thread thread_;
};

Watchdog::Watchdog(const World& world, const WatchdogOptions& options)
    : impl_(std::make_unique<Impl>(world, options)) {}

Watchdog::~Watchdog() = default;

Sections& Watchdog::sections() {
  return impl_->sections();
}

}  // namespace msn
