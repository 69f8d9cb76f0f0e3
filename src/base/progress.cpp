// SPDX-License-Identifier: Apache-2.0
#include "base/progress.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/log.hpp"

namespace msn {

namespace {

using std::chrono::milliseconds;

/// 1234567 as "1,234,567".
std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

/// "45 s", "12 min", "3 h 20 min".
std::string duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::ceil(seconds));
  if (whole < 100) return std::to_string(whole) + " s";
  const std::uint64_t minutes = (whole + 59) / 60;
  if (minutes < 100) return std::to_string(minutes) + " min";
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

bool is_terminal(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

int columns_of(int descriptor) {
  winsize size{};
  return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written <= 0) return;  // Progress is not worth an error.
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string progress_text(const ProgressState& state) {
  std::string text = state.doing + " " + with_commas(state.done) + " of " + with_commas(state.total) + " " + state.unit;
  const double rate = state.seconds > 0 ? static_cast<double>(state.done) / state.seconds : 0;
  if (rate > 0) {
    text += ", " + with_commas(static_cast<std::uint64_t>(std::llround(rate))) + " a second";
    if (state.done < state.total)
      text += ", " + duration(static_cast<double>(state.total - state.done) / rate) + " left";
  }
  return state.note.empty() ? text : text + ", " + state.note;
}

std::string progress_bar(const ProgressState& state, int columns) {
  std::string text = progress_text(state);
  const auto room = static_cast<std::size_t>(std::max(1, columns - 1));  // The last column makes some terminals wrap.
  constexpr std::size_t least = 10, most = 40, frame = 3;                // "[", "]" and a blank.
  if (text.size() + frame + least <= room) {
    const std::size_t cells = std::min(most, room - text.size() - frame);
    const double part =
        state.total > 0 ? std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total)) : 0;
    const auto full = static_cast<std::size_t>(part * static_cast<double>(cells));
    return "[" + std::string(full, '#') + std::string(cells - full, '.') + "] " + text;
  }
  text.resize(std::min(text.size(), room));
  return text;
}

Progress::Progress(std::string doing, std::string unit, int descriptor)
    : descriptor_(descriptor), terminal_(is_terminal(descriptor)) {
  state_.doing = std::move(doing);
  state_.unit = std::move(unit);
}

Progress::~Progress() {
  clear();
}

void Progress::update(std::uint64_t done, std::uint64_t total, const std::string& note) {
  const Clock::time_point now = Clock::now();
  if (now - last_ < (terminal_ ? milliseconds(100) : milliseconds(5000))) return;
  last_ = now;
  state_.done = done;
  state_.total = total;
  state_.note = note;
  state_.seconds = std::chrono::duration<double>(now - start_).count();
  if (terminal_) {
    // Back to the first column, the line, and what an older longer one left behind it.
    write_all(descriptor_, "\r" + progress_bar(state_, columns_of(descriptor_)) + "\x1b[K");
    drawn_ = true;
  } else {
    log::info(progress_text(state_));
  }
}

void Progress::clear() {
  if (drawn_) write_all(descriptor_, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace msn
