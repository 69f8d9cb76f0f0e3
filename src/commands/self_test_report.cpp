// SPDX-License-Identifier: Apache-2.0
#include "commands/self_test_report.hpp"

#include <cstdio>

#include "base/error.hpp"

namespace msn {

void SelfTestReport::fact(const std::string& name, const std::string& value) {
  if (world_.rank() != 0) return;
  facts_[name] = value;
  std::printf("  %-16s %s\n", name.c_str(), one_line(value).c_str());
  std::fflush(stdout);
}

void SelfTestReport::table(const std::string& name, const std::vector<std::string>& lines) {
  if (world_.rank() != 0) return;
  facts_[name] = lines;
  for (std::size_t i = 0; i < lines.size(); ++i)
    std::printf("  %-16s %s\n", i == 0 ? name.c_str() : "", lines[i].c_str());
  std::fflush(stdout);
}

void SelfTestReport::warn(const std::string& text) {
  if (world_.rank() != 0) return;
  warnings_.push_back(text);
  std::printf("  %-16s %s\n", "warning", one_line(text).c_str());
  std::fflush(stdout);
}

void SelfTestReport::common_fact(const std::string& name, const std::string& mine) {
  const std::vector<std::string> hosts = world_.gather(world_.host());
  const std::vector<std::string> values = world_.gather(mine);
  fact(name, values.front());
  for (std::size_t rank = 1; rank < values.size(); ++rank) {
    if (values[rank] == values.front()) continue;
    warn(name + " of rank " + std::to_string(rank) + " (host " + hosts[rank] + ") is " + values[rank] +
         ", that of rank 0 " + values.front() + ": give all hosts the same");
    return;
  }
}

nlohmann::ordered_json SelfTestReport::to_json() const {
  return {{"facts", facts_}, {"warnings", warnings_}};
}

std::string time_text(double seconds) {
  char text[32] = "";
  if (seconds < 1e-3) {
    std::snprintf(text, sizeof text, "%.1f us", 1e6 * seconds);
  } else if (seconds < 1) {
    std::snprintf(text, sizeof text, "%.2f ms", 1e3 * seconds);
  } else {
    std::snprintf(text, sizeof text, "%.2f s", seconds);
  }
  return text;
}

std::string absolute_text(const std::filesystem::path& folder) {
  std::string text = std::filesystem::absolute(folder).lexically_normal().string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace msn
