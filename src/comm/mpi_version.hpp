// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace msn {

/// Name and version of the MPI library that is loaded, as "Open MPI v4.1.4". Allowed before MPI is up.
std::string mpi_version();

}  // namespace msn
