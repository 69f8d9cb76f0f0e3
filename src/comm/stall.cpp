// SPDX-License-Identifier: Apache-2.0
#include "comm/stall.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace msn {

namespace {

constexpr std::size_t kNamed = 4;  ///< Ranks named one by one; of more it is said how many.

std::size_t index_of(Channel channel) {
  return static_cast<std::size_t>(channel);
}

std::string place_of(const RankView& view, std::size_t ranks) {
  return "rank " + std::to_string(view.rank) + " of " + std::to_string(ranks) + " (host " + view.host + ")";
}

std::string doing(const RankView& view) {
  if (!view.known) return "nothing is known of it: it has ended, is stopped or cut off";
  std::string text;
  if (view.process == ProcessState::stopped) text = "stopped by a signal, ";
  if (view.process == ProcessState::traced) text = "held by a debugger, ";
  if (view.process == ProcessState::ended) text = "its process has ended, last ";
  text += std::string("in ") + to_string(view.section);
  if (view.step > 0) text += " of step " + std::to_string(view.step);
  return text + " for " + std::to_string(std::lround(view.seconds)) + " s";
}

/// `verb`: between the ranks and what they are at.
std::string list(const std::vector<const RankView*>& views, std::size_t ranks, const std::string& verb) {
  if (views.size() == 1) return place_of(*views[0], ranks) + verb + ": " + doing(*views[0]);
  std::string text;
  for (std::size_t i = 0; i < std::min(views.size(), kNamed); ++i)
    text += (i == 0 ? "" : "; ") + place_of(*views[i], ranks) + ": " + doing(*views[i]);
  if (views.size() > kNamed) text += "; and " + std::to_string(views.size() - kNamed) + " more";
  return std::to_string(views.size()) + " ranks" + verb + ": " + text;
}

bool waits(const RankView& view) {
  return view.known && (view.issued[0] > view.finished[0] || view.issued[1] > view.finished[1]);
}

/// A collective of the earliest step that a rank is seen to wait for, of which only the number is known.
std::optional<CollectiveRecord> awaited_by_others(std::span<const RankView> ranks) {
  std::optional<CollectiveRecord> found;
  for (const RankView& view : ranks) {
    for (std::size_t c = 0; view.known && c < 2; ++c) {
      if (view.issued[c] <= view.finished[c] || (found && found->step <= view.step)) continue;
      found.emplace();
      found->channel = static_cast<Channel>(c);
      found->sequence = view.finished[c];
      found->step = view.step;
    }
  }
  return found;
}

std::string name_of(const CollectiveRecord& record) {
  std::string text = record.channel == Channel::world ? "control collective " : "collective ";
  text += std::to_string(record.sequence);
  if (!record.what.empty()) text += std::string(" (") + to_string(record.kind) + " \"" + record.what + "\")";
  return record.step == 0 ? text : text + " of step " + std::to_string(record.step);
}

}  // namespace

std::optional<CollectiveRecord> unfinished(std::span<const CollectiveRecord> records) {
  const auto found =
      std::find_if(records.begin(), records.end(), [](const CollectiveRecord& record) { return record.finished == 0; });
  return found == records.end() ? std::nullopt : std::optional(*found);
}

std::string describe_stall(std::span<const RankView> ranks, const std::optional<CollectiveRecord>& awaited) {
  // A rank that has left out a collective waits for the others a step later.
  const auto seen = awaited_by_others(ranks);
  const auto collective = awaited && !(seen && seen->step < awaited->step) ? awaited : seen;
  const auto select = [&](auto&& wanted) {
    std::vector<const RankView*> chosen;
    for (const RankView& view : ranks) {
      if (wanted(view)) chosen.push_back(&view);
    }
    return chosen;
  };
  const auto is_gone = [](const RankView& view) {
    return view.known && (view.process == ProcessState::stopped || view.process == ProcessState::ended ||
                          view.process == ProcessState::traced);
  };
  if (!collective) {
    auto slow = select(is_gone);
    if (slow.empty()) {
      double longest = 0;
      for (const RankView& view : ranks)
        longest = std::max(longest, view.known ? view.seconds : 0.0);
      slow = select([&](const RankView& view) { return view.known && view.seconds >= 0.5 * longest; });
    }
    return list(slow, ranks.size(), slow.size() == 1 ? " does not go on" : " do not go on");
  }
  const std::size_t channel = index_of(collective->channel);
  const auto missing =
      select([&](const RankView& view) { return !view.known || view.issued[channel] <= collective->sequence; });
  const std::string name = name_of(*collective);
  // A rank that others wait for elsewhere may itself wait for something earlier; it is named with what it is at.
  if (!missing.empty()) {
    const std::string verb = (missing.size() == 1 ? " has not come to " : " have not come to ") + name;
    return list(missing, ranks.size(), verb);
  }
  const auto gone = select(is_gone);
  if (!gone.empty()) return list(gone, ranks.size(), (gone.size() == 1 ? " holds up " : " hold up ") + name);
  const auto inside = select([&](const RankView& view) { return waits(view); });
  return name + " does not end although all ranks have come to it: the network, or ranks that call different " +
         "collectives; " + list(inside, ranks.size(), inside.size() == 1 ? " is in it" : " are in it");
}

}  // namespace msn
