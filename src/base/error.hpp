// SPDX-License-Identifier: Apache-2.0
// The one error type of the program. Every error says what went wrong, where, and what the user can do about it.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace msn {

/// Exit codes of every command (docs/failure.md).
enum class ExitCode : int {
  done = 0,
  usage = 2,         ///< Bad flags or a set-up that cannot work.
  internal = 70,     ///< A defect of msn.
  data = 74,         ///< Data sets, checkpoints, files: unreadable, damaged, full disk.
  stopped = 75,      ///< Stopped early with a durable checkpoint; run the same command again.
  numerics = 77,     ///< Not-a-number or infinity where training cannot go on.
  config = 78,       ///< A configuration that is not valid.
  no_progress = 79,  ///< Several lives without a step forward.
  watchdog = 124,    ///< A step or a test took longer than its deadline.
};

/// Returns `text` with line breaks and other control characters escaped, so that it stays one line of a log.
std::string one_line(std::string_view text);

/// An error that ends the command. `message()` is one line: "what (where): what to do".
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string what, std::string where = {}, std::string remedy = {});

  ExitCode code() const noexcept { return code_; }
  const std::string& problem() const noexcept { return problem_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& remedy() const noexcept { return remedy_; }

 private:
  ExitCode code_;
  std::string problem_;
  std::string where_;
  std::string remedy_;
};

Error usage_error(std::string what, std::string where = {}, std::string remedy = {});
Error config_error(std::string what, std::string where = {}, std::string remedy = {});
Error data_error(std::string what, std::string where = {}, std::string remedy = {});
Error numerics_error(std::string what, std::string where = {}, std::string remedy = {});
Error internal_error(std::string what, std::string where = {});

/// A data error for a failed system call. It tells of the machine at that moment, not of what a file holds: the same
/// may work later.
class SystemError : public Error {
 public:
  using Error::Error;
};
/// `what` and the text of `error_number` (errno).
SystemError system_error(std::string what, std::string where, int error_number, std::string remedy = {});

/// Any exception as an Error: an Error as it is, everything else as an internal error with its text. A null `failure`
/// stands for std::terminate without an exception.
Error to_error(const std::exception_ptr& failure);

/// Throws internal_error with the place if `condition` is false. For states that only a defect of msn can reach.
#define MSN_CHECK(condition)                                                                             \
  do {                                                                                                   \
    if (!(condition)) {                                                                                  \
      throw ::msn::internal_error("check failed: " #condition, __FILE__ ":" + std::to_string(__LINE__)); \
    }                                                                                                    \
  } while (false)

}  // namespace msn
