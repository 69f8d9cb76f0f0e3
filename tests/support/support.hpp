// SPDX-License-Identifier: Apache-2.0
// What several tests share.
#pragma once

#include <filesystem>
#include <string>

namespace msn::test {

/// A file of tests/golden.
std::filesystem::path golden(const std::string& name);

/// An empty folder of this test's own, deleted with what is in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace msn::test
