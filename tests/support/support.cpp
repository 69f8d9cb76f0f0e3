// SPDX-License-Identifier: Apache-2.0
#include "support/support.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/error.hpp"

namespace msn::test {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) {
  const char* installed = std::getenv("MSN_GOLDEN_DIR");  // Set by launch/with-libtorch.
  return fs::path(installed != nullptr ? installed : MSN_GOLDEN_DIR) / name;
}

TempDir::TempDir() {
  std::string pattern = (fs::temp_directory_path() / "msn-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw system_error("cannot make a test folder", pattern, errno);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace msn::test
