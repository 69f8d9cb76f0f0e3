# SPDX-License-Identifier: Apache-2.0
# Every library that msn uses, found once.
find_package(Threads REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
include(KokkosShim)

if(HDF5_VERSION VERSION_LESS 1.10.7)
  message(FATAL_ERROR "HDF5 ${HDF5_VERSION} is too old: 1.10.7 or later is needed")
endif()

# MPI::MPI_C with the C++ bindings of Open MPI off: they are long removed from the standard and slow every build.
add_library(msn_mpi INTERFACE)
target_link_libraries(msn_mpi INTERFACE MPI::MPI_C)
target_compile_definitions(msn_mpi INTERFACE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)

add_library(msn_hdf5 INTERFACE)
target_include_directories(msn_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(msn_hdf5 INTERFACE ${HDF5_C_LIBRARIES})

add_library(msn_xxhash INTERFACE)
target_include_directories(msn_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})
target_link_libraries(msn_xxhash INTERFACE ${XXHASH_LIBRARY})

# msn_torch: LibTorch with the run path that finds it where it was built against.
if(MSN_TORCH)
  find_package(LibTorch REQUIRED)
  add_library(msn_torch INTERFACE)
  target_link_libraries(msn_torch INTERFACE LibTorch::cpu)
  # Lets ATen headers pull in single operators instead of all of them.
  target_compile_definitions(msn_torch INTERFACE AT_PER_OPERATOR_HEADERS)
  list(APPEND CMAKE_BUILD_RPATH ${LibTorch_LIBRARY_DIRS})
endif()
if(MSN_TESTS)
  find_package(GTest REQUIRED)
endif()
