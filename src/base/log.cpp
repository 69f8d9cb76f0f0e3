// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/terminal.hpp"

namespace msn::log {
namespace {

constexpr const char* kName = "msn";

/// Where the files are: unlike the logger's own list it may change while other threads write.
const std::shared_ptr<spdlog::sinks::dist_sink_mt>& files() {
  static const auto sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  return sinks;
}

/// Standard error, with the live line kept below what is logged.
class ErrorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void show(std::string_view text) {
    const std::lock_guard lock(mutex_);
    const auto room = static_cast<std::size_t>(std::max(1, terminal_columns(STDERR_FILENO) - 1));
    std::string cut = one_line(text).substr(0, room);  // The last column makes some terminals wrap.
    if (cut.empty() && live_.empty()) return;
    live_ = std::move(cut);
    rewrite_line(STDERR_FILENO, live_);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (!live_.empty()) rewrite_line(STDERR_FILENO, "");
    inner_.log(message);
    if (live_.empty()) return;
    inner_.flush();
    rewrite_line(STDERR_FILENO, live_);
  }
  void flush_() override { inner_.flush(); }
  void set_pattern_(const std::string& pattern) override { inner_.set_pattern(pattern); }
  void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override {
    inner_.set_formatter(std::move(formatter));
  }

 private:
  spdlog::sinks::stderr_color_sink_st inner_;
  std::string live_;
};

const std::shared_ptr<ErrorSink>& standard_error() {
  static const auto sink = std::make_shared<ErrorSink>();
  return sink;
}

std::shared_ptr<spdlog::logger> logger() {
  if (auto existing = spdlog::get(kName)) return existing;
  const std::shared_ptr<ErrorSink>& sink = standard_error();
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

bool has_live_line() {
  return logger()->should_log(spdlog::level::info) && is_terminal(STDERR_FILENO);
}
void show_live(std::string_view text) {
  if (has_live_line()) standard_error()->show(text);
}
void info_beside_live(std::string_view text) {
  if (!has_live_line()) return info(text);
  const std::string line = one_line(text);
  files()->log(spdlog::details::log_msg(kName, spdlog::level::info, line));
  files()->flush();
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
