// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <cstdio>
#include <cstring>
#include <utility>

namespace msn {

std::string one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += ' ';
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out;
}

namespace {

std::string join(const std::string& what, const std::string& where, const std::string& remedy) {
  std::string text = what;
  if (!where.empty()) text += " (" + where + ")";
  if (!remedy.empty()) text += ": " + remedy;
  return one_line(text);
}

}  // namespace

Error::Error(ExitCode code, std::string what, std::string where, std::string remedy)
    : std::runtime_error(join(what, where, remedy)),
      code_(code),
      problem_(std::move(what)),
      where_(std::move(where)),
      remedy_(std::move(remedy)) {}

Error usage_error(std::string what, std::string where, std::string remedy) {
  return {ExitCode::usage, std::move(what), std::move(where), std::move(remedy)};
}
Error config_error(std::string what, std::string where, std::string remedy) {
  return {ExitCode::config, std::move(what), std::move(where), std::move(remedy)};
}
Error data_error(std::string what, std::string where, std::string remedy) {
  return {ExitCode::data, std::move(what), std::move(where), std::move(remedy)};
}
Error numerics_error(std::string what, std::string where, std::string remedy) {
  return {ExitCode::numerics, std::move(what), std::move(where), std::move(remedy)};
}
Error internal_error(std::string what, std::string where) {
  return {ExitCode::internal, std::move(what), std::move(where),
          "this is a defect of msn; please report it with the log"};
}
SystemError system_error(std::string what, std::string where, int error_number, std::string remedy) {
  return {ExitCode::data, std::move(what) + ": " + std::strerror(error_number), std::move(where), std::move(remedy)};
}

Error to_error(const std::exception_ptr& failure) {
  if (!failure) return internal_error("std::terminate was called without an exception");
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return internal_error(error.what());
  } catch (...) {
    return internal_error("an exception of unknown type");
  }
}

}  // namespace msn
