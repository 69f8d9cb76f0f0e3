// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi_version.hpp"

#include <mpi.h>

#include <algorithm>

namespace msn {

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text);
  return version.substr(0, std::min(version.find(','), version.find('\n')));
}

}  // namespace msn
