# SPDX-License-Identifier: Apache-2.0
#[[
Finds the CUDA runtime library, which is all of CUDA that msn's own sources call. Looks beside LibTorch (the PyPI wheels
put it in nvidia/cu13), then for a CUDA toolkit. Defines

  CUDARuntime::cudart, CUDARuntime_VERSION, CUDARuntime_INCLUDE_DIR, CUDARuntime_LIBRARY

The one that LibTorch loads comes first: two runtimes in one process each keep a current device of their own.
]]
set(_hints)
foreach(_dir IN LISTS LibTorch_LIBRARY_DIRS)
  list(APPEND _hints ${_dir}/..)
endforeach()
# The wheel ships no libcudart.so, only the name that programs load.
set(_names cudart)
foreach(_dir IN LISTS LibTorch_LIBRARY_DIRS)
  file(GLOB _files RELATIVE ${_dir} ${_dir}/libcudart.so.*)
  list(APPEND _names ${_files})
endforeach()
find_path(CUDARuntime_INCLUDE_DIR cuda_runtime_api.h HINTS ${_hints} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(CUDARuntime_LIBRARY NAMES ${_names} HINTS ${_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
if(NOT CUDARuntime_INCLUDE_DIR OR NOT CUDARuntime_LIBRARY)
  find_package(CUDAToolkit QUIET)
  find_path(CUDARuntime_INCLUDE_DIR cuda_runtime_api.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDARuntime_LIBRARY cudart HINTS ${CUDAToolkit_LIBRARY_DIR})
endif()
mark_as_advanced(CUDARuntime_INCLUDE_DIR CUDARuntime_LIBRARY)

if(CUDARuntime_INCLUDE_DIR)
  file(STRINGS ${CUDARuntime_INCLUDE_DIR}/cuda_runtime_api.h _line REGEX "#define CUDART_VERSION ")
  string(REGEX REPLACE "[^0-9]" "" _number "${_line}")
  math(EXPR _major "${_number} / 1000")
  math(EXPR _minor "${_number} % 1000 / 10")
  set(CUDARuntime_VERSION ${_major}.${_minor})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDARuntime
  REQUIRED_VARS CUDARuntime_LIBRARY CUDARuntime_INCLUDE_DIR VERSION_VAR CUDARuntime_VERSION
  REASON_FAILURE_MESSAGE "Run launch/setup --cuda, or set CUDAToolkit_ROOT to the CUDA toolkit that LibTorch was built with.")

if(CUDARuntime_FOUND AND NOT TARGET CUDARuntime::cudart)
  add_library(CUDARuntime::cudart UNKNOWN IMPORTED)
  set_target_properties(CUDARuntime::cudart PROPERTIES IMPORTED_LOCATION ${CUDARuntime_LIBRARY})
  target_include_directories(CUDARuntime::cudart SYSTEM INTERFACE ${CUDARuntime_INCLUDE_DIR})
endif()
