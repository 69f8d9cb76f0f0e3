# SPDX-License-Identifier: Apache-2.0
#[[
Finds NCCL. Looks in NCCL_ROOT (CMake variable or environment), then beside LibTorch (the PyPI wheels put it in
nvidia/nccl), in the CUDA toolkit and in the system. Defines

  NCCL::nccl, NCCL_VERSION, NCCL_INCLUDE_DIR, NCCL_LIBRARY

The one that LibTorch loads comes before the toolkit's: two NCCLs in one process are two sets of state.
]]
set(_hints ${NCCL_ROOT} $ENV{NCCL_ROOT})
foreach(_dir IN LISTS LibTorch_LIBRARY_DIRS)
  list(APPEND _hints ${_dir}/..)
endforeach()
find_package(CUDAToolkit QUIET)
list(APPEND _hints ${CUDAToolkit_LIBRARY_ROOT} ${CUDAToolkit_TARGET_DIR})
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${_hints} PATH_SUFFIXES include)
# The wheel ships no libnccl.so, only the name that programs load.
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR HINTS ${_hints} PATH_SUFFIXES lib lib64)
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY)

if(NCCL_INCLUDE_DIR)
  file(STRINGS ${NCCL_INCLUDE_DIR}/nccl.h _lines REGEX "#define NCCL_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" _numbers "${_lines}")
  string(REPLACE ";" "." NCCL_VERSION "${_numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR VERSION_VAR NCCL_VERSION
  REASON_FAILURE_MESSAGE "Set NCCL_ROOT to an NCCL 2.18 or later (the folder that holds include/ and lib/).")

if(NCCL_FOUND AND NOT TARGET NCCL::nccl)
  add_library(NCCL::nccl UNKNOWN IMPORTED)
  set_target_properties(NCCL::nccl PROPERTIES IMPORTED_LOCATION ${NCCL_LIBRARY})
  target_include_directories(NCCL::nccl SYSTEM INTERFACE ${NCCL_INCLUDE_DIR})
endif()
