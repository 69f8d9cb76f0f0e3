// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <functional>
#include <set>
#include <vector>

#include "base/error.hpp"

namespace msn {

using Json = nlohmann::ordered_json;

namespace {

/// The parser's events, to refuse a key that an object has twice (nlohmann-json keeps the last, others the first) and
/// nesting so deep that it costs memory.
class StrictEvents {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    const auto level = static_cast<std::size_t>(depth);
    if (level + 1 >= keys_.size()) throw data_error("nested too deeply");
    if (event == Json::parse_event_t::object_start) keys_[level + 1].clear();
    if (event == Json::parse_event_t::key && !keys_[level].insert(value.get<std::string>()).second) {
      throw data_error("a key stands twice: " + value.get<std::string>());
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> keys_ = std::vector<std::set<std::string>>(16);
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where, const std::string& remedy) {
  StrictEvents events;
  try {
    return Json::parse(text, std::ref(events));
  } catch (const Error& error) {
    throw data_error(error.problem(), where, remedy);
  } catch (const Json::out_of_range&) {
    throw data_error("a number is too large", where, remedy);
  }
}

}  // namespace msn
