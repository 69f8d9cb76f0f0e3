// SPDX-License-Identifier: Apache-2.0
#include "commands/version.hpp"

#include "base/hdf5.hpp"
#include "build_table.hpp"
#include "comm/mpi_version.hpp"

namespace msn {

std::string program_version() {
  return kProgramVersion;
}

std::string version_text(const std::vector<std::pair<std::string, std::string>>& more) {
  std::vector<std::pair<std::string, std::string>> rows{
      {"MPI", mpi_version()},
      {"HDF5", h5::library_version()},
  };
  rows.insert(rows.end(), more.begin(), more.end());
  std::string text = std::string(kBuildTable) + "loaded:\n";
  for (const auto& [name, value] : rows) {
    text += "  " + name + std::string(name.size() < 16 ? 16 - name.size() : 1, ' ') + value + "\n";
  }
  text.pop_back();
  return text;
}

}  // namespace msn
