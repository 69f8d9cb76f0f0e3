// SPDX-License-Identifier: Apache-2.0
#include "base/progress.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/formatted.hpp"
#include "base/log.hpp"
#include "base/terminal.hpp"

namespace msn {

using std::chrono::milliseconds;

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::ceil(seconds));
  if (whole < 100) return std::to_string(whole) + " s";
  const std::uint64_t minutes = (whole + 59) / 60;
  if (minutes < 100) return std::to_string(minutes) + " min";
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

namespace {

/// "1,234 a second", "0.6 a second", "25 s each".
std::string rate_text(double rate) {
  if (rate < 0.1) return duration_text(1 / rate) + " each";
  if (rate < 10) return formatted("%.1f a second", rate);
  return with_commas(static_cast<std::uint64_t>(std::llround(rate))) + " a second";
}

}  // namespace

std::string progress_text(const ProgressState& state) {
  std::string text = state.doing + " " + with_commas(state.done) + " of " + with_commas(state.total) + " " + state.unit;
  const double rate = state.seconds > 0 ? static_cast<double>(state.done) / state.seconds : 0;
  if (rate > 0) {
    text += ", " + rate_text(rate);
    if (state.done < state.total)
      text += ", " + duration_text(static_cast<double>(state.total - state.done) / rate) + " left";
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
    rewrite_line(descriptor_, progress_bar(state_, terminal_columns(descriptor_)));
    drawn_ = true;
  } else {
    log::info(progress_text(state_));
  }
}

void Progress::clear() {
  if (drawn_) rewrite_line(descriptor_, "");
  drawn_ = false;
}

}  // namespace msn
