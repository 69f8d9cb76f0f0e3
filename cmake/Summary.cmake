# SPDX-License-Identifier: Apache-2.0
# One table of what was found, printed at configure time and compiled into `msn --version`.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=10
                OUTPUT_VARIABLE MSN_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(MSN_COMMIT)
  # Measurements tell it: another commit is looked for before the next build. "-dirty" is as it was when CMake ran last.
  execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} rev-parse --git-path logs/HEAD
                  OUTPUT_VARIABLE _head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(_head "${_head}" ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  if(EXISTS "${_head}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${_head}")
  endif()
else()
  set(MSN_COMMIT "unknown")
endif()
execute_process(COMMAND ${MPIEXEC_EXECUTABLE} --version OUTPUT_VARIABLE _mpi ERROR_QUIET)
string(REGEX MATCH "[^\n]*" _mpi "${_mpi}")

list(JOIN Kokkos_DEVICES ", " _kokkos_devices)

set(_rows
  "msn|${PROJECT_VERSION} (${MSN_COMMIT}), ${CMAKE_BUILD_TYPE}"
  "compiler|${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
  "MPI|${_mpi}"
  "HDF5|${HDF5_VERSION}"
  "Kokkos|${Kokkos_VERSION} (${_kokkos_devices}), ${MSN_KOKKOS_SPACE}"
  "OpenMP|${OpenMP_CXX_VERSION}"
  "libjpeg|${JPEG_VERSION}"
  "libpng|${PNG_VERSION_STRING}")
if(MSN_TORCH)
  set(_bf16 "no: weight gradients in bf16 take a second pass")
  if(MSN_BLAS_HAS_BF16)
    set(_bf16 "yes")
  endif()
  list(APPEND _rows
    "LibTorch|${LibTorch_VERSION} (${LibTorch_CPU_LIBRARY})"
    "C++11 string ABI|${LibTorch_CXX11_ABI}"
    "bf16 in the BLAS|${_bf16}"
    "OpenMP runtime|${LibTorch_OPENMP}")
else()
  list(APPEND _rows "LibTorch|not used (MSN_TORCH=OFF): only the rooms below it are built")
endif()
if(MSN_CUDA)
  list(APPEND _rows
    "GPU|CUDA ${CUDARuntime_VERSION} (${CUDARuntime_LIBRARY})"
    "NCCL|${NCCL_VERSION} (${NCCL_LIBRARY})")
else()
  list(APPEND _rows "GPU|none (MSN_CUDA=OFF)")
endif()
if(MSN_SANITIZE)
  list(APPEND _rows "sanitizers|${MSN_SANITIZE}")
endif()
set(MSN_BUILD_TABLE "")
message(STATUS "Found:")
foreach(_row IN LISTS _rows)
  string(REPLACE "|" ";" _cells "${_row}")
  list(GET _cells 0 _name)
  list(GET _cells 1 _value)
  string(LENGTH "${_name}" _length)
  math(EXPR _pad "18 - ${_length}")
  string(REPEAT " " ${_pad} _spaces)
  message(STATUS "  ${_name}${_spaces}${_value}")
  string(APPEND MSN_BUILD_TABLE "${_name}${_spaces}${_value}\\n")
endforeach()
