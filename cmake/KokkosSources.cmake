# SPDX-License-Identifier: Apache-2.0
#[[
compile_for_kokkos(SOURCES...): how the sources that include Kokkos, of the directory that calls it, are compiled: by nvcc
if this Kokkos was built with CUDA, else as any other. No other source sees a header of Kokkos, and these see none of
LibTorch. Their targets link msn_kokkos.

nvcc compiles them as CMake's language CUDA, however Kokkos itself was compiled (by its nvcc_wrapper or as that language),
with flags of our own: those that Kokkos exports are for the language that it was compiled as. Sets MSN_KOKKOS_CUDA and
MSN_KOKKOS_SPACE, where kernels compute, in words.
]]
set(MSN_KOKKOS_CUDA OFF)
set(MSN_KOKKOS_SPACE "in host memory only")
add_library(msn_kokkos INTERFACE)
foreach(_backend HIP SYCL OPENMPTARGET OPENACC HPX THREADS)
  if(_backend IN_LIST Kokkos_DEVICES)
    message(FATAL_ERROR "Kokkos in ${Kokkos_DIR} was built with ${_backend}, which msn does not know: set Kokkos_ROOT to "
                        "one with Serial or OpenMP, and CUDA for NVIDIA GPUs")
  endif()
endforeach()

if(NOT "CUDA" IN_LIST Kokkos_DEVICES)
  target_link_libraries(msn_kokkos INTERFACE Kokkos::kokkos)
  target_include_directories(msn_kokkos SYSTEM INTERFACE ${Kokkos_INCLUDE_DIRS})
  function(compile_for_kokkos)
  endfunction()
  return()
endif()

if(NOT MSN_CUDA)
  message(FATAL_ERROR "Kokkos in ${Kokkos_DIR} was built with CUDA, and its headers need nvcc, but MSN_CUDA=OFF: take the "
                      "preset cuda, or set Kokkos_ROOT to a Kokkos without CUDA")
endif()
find_package(CUDAToolkit REQUIRED)
string(REGEX MATCH "^[0-9]+" _runtime_major "${CUDARuntime_VERSION}")
set(_kokkos_cuda ${CUDAToolkit_VERSION})
if(Kokkos_CXX_COMPILER_ID STREQUAL "NVIDIA")
  set(_kokkos_cuda ${Kokkos_CXX_COMPILER_VERSION})
endif()
foreach(_version IN ITEMS ${_kokkos_cuda} ${CUDAToolkit_VERSION})
  string(REGEX MATCH "^[0-9]+" _major "${_version}")
  if(NOT _major EQUAL _runtime_major)
    message(FATAL_ERROR "LibTorch computes with CUDA ${CUDARuntime_VERSION}, Kokkos in ${Kokkos_DIR} with ${_kokkos_cuda}, and "
                        "nvcc is ${CUDAToolkit_VERSION}: build Kokkos by an nvcc of CUDA ${_runtime_major} (CUDAToolkit_ROOT)")
  endif()
endforeach()
set(_oldest 4.0)
if(_runtime_major GREATER_EQUAL 13)
  set(_oldest 4.7.1)
endif()
if(Kokkos_VERSION VERSION_LESS _oldest)
  message(FATAL_ERROR "Kokkos ${Kokkos_VERSION} in ${Kokkos_DIR} is too old for CUDA ${_runtime_major}: ${_oldest} or later is needed")
endif()

if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
endif()
if(NOT CMAKE_CUDA_HOST_COMPILER)
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${Kokkos_CUDA_ARCHITECTURES})
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  message(FATAL_ERROR "Kokkos in ${Kokkos_DIR} does not say for which GPUs it was built: set CMAKE_CUDA_ARCHITECTURES "
                      "(90 for H100 and H200)")
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  # CMake knows from 3.25.2 only that nvcc has it.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
# One CUDA runtime a process: the one that LibTorch loads, not one that nvcc adds.
set(CMAKE_CUDA_RUNTIME_LIBRARY None)
if(CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
set(MSN_KOKKOS_CUDA ON)
set(MSN_KOKKOS_SPACE "on GPUs: CUDA ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")

# What Kokkos::kokkos brings, less its flags.
set(_libraries)
foreach(_target Kokkos::kokkoscore Kokkos::kokkoscontainers)
  if(TARGET ${_target})
    list(PREPEND _libraries $<TARGET_FILE:${_target}>)
  endif()
endforeach()
get_target_property(_includes Kokkos::kokkoscore INTERFACE_INCLUDE_DIRECTORIES)
target_include_directories(msn_kokkos SYSTEM INTERFACE ${_includes})
target_compile_options(msn_kokkos INTERFACE
  "$<$<COMPILE_LANGUAGE:CUDA>:-extended-lambda;-Wext-lambda-captures-this;--expt-relaxed-constexpr>")
target_link_libraries(msn_kokkos INTERFACE ${_libraries} CUDARuntime::cudart CUDA::cuda_driver ${CMAKE_DL_LIBS})

function(compile_for_kokkos)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CUDA)
  # Pixels promise bits: no product is added without being rounded. (The host's compiler never does so; Warnings.cmake.)
  set(exact ${ARGN})
  list(FILTER exact INCLUDE REGEX "views[^/]*\\.cpp$")
  if(exact)
    set_source_files_properties(${exact} PROPERTIES COMPILE_OPTIONS --fmad=false)
  endif()
endfunction()
