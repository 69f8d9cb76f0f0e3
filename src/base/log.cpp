// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "base/error.hpp"

namespace msn::log {
namespace {

constexpr const char* kName = "msn";

/// Where the files are: unlike the logger's own list it may change while other threads write.
const std::shared_ptr<spdlog::sinks::dist_sink_mt>& files() {
  static const auto sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  return sinks;
}

std::shared_ptr<spdlog::logger> logger() {
  if (auto existing = spdlog::get(kName)) return existing;
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto made = std::make_shared<spdlog::logger>(kName, spdlog::sinks_init_list{sink, files()});
  made->set_pattern("%Y-%m-%d %H:%M:%S %^%l%$ %v");
  made->flush_on(spdlog::level::info);
  spdlog::register_logger(made);
  return made;
}

}  // namespace

void set_voice(bool speaks) {
  logger()->set_level(speaks ? spdlog::level::info : spdlog::level::err);
}

void add_file(const std::filesystem::path& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_pattern("%Y-%m-%d %H:%M:%S %l %v");
    files()->add_sink(std::move(sink));
  } catch (const spdlog::spdlog_ex&) {
    throw data_error("cannot open the log file", file.string(), "check that the run folder is writable");
  }
}

void leave_files() {
  files()->set_sinks({});
}

void info(std::string_view text) {
  logger()->info("{}", one_line(text));
}
void warn(std::string_view text) {
  logger()->warn("{}", one_line(text));
}
void warn_of_any_rank(std::string_view text) {
  const std::string line = one_line(text);
  const spdlog::details::log_msg message(kName, spdlog::level::warn, line);
  for (const auto& sink : logger()->sinks()) {
    sink->log(message);
    sink->flush();
  }
}
void error(std::string_view text) {
  logger()->error("{}", one_line(text));
}
void flush() {
  logger()->flush();
}

}  // namespace msn::log
