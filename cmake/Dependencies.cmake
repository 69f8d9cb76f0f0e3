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
# Where the library has them, its functions for the widest vectors that the processor has: the same hashes, sooner.
include(CheckCXXSymbolExists)
set(CMAKE_REQUIRED_INCLUDES ${XXHASH_INCLUDE_DIR})
set(CMAKE_REQUIRED_LIBRARIES ${XXHASH_LIBRARY})
check_cxx_symbol_exists(XXH3_128bits_update_dispatch xxh_x86dispatch.h MSN_XXHASH_DISPATCHES)
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_LIBRARIES)
if(MSN_XXHASH_DISPATCHES)
  target_compile_definitions(msn_xxhash INTERFACE MSN_XXHASH_DISPATCHES)
endif()

if(MSN_CUDA AND NOT MSN_TORCH)
  message(FATAL_ERROR "MSN_CUDA=ON needs MSN_TORCH=ON: the rooms that use the GPU are those that use LibTorch")
endif()
if(MSN_TORCH)
  find_package(LibTorch REQUIRED)
  # MKL has products of bfloat16 that add to float32, which libtorch_cpu.so passes on; another BLAS lacks them.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES LibTorch::cpu)
  check_cxx_source_compiles("extern \"C\" void cblas_gemm_bf16bf16f32(); int main() { cblas_gemm_bf16bf16f32(); }"
                            MSN_BLAS_HAS_BF16)
  unset(CMAKE_REQUIRED_LIBRARIES)
  # What the rooms link: one LibTorch for the whole build, and where its libraries lie when msn starts.
  add_library(msn_torch INTERFACE)
  # Lets ATen headers pull in single operators instead of all of them.
  target_compile_definitions(msn_torch INTERFACE AT_PER_OPERATOR_HEADERS)
  if(MSN_CUDA)
    if(NOT LibTorch_HAS_CUDA)
      message(FATAL_ERROR "MSN_CUDA=ON, but the LibTorch in ${LibTorch_LIBRARY_DIRS} has no libtorch_cuda.so: "
                          "set Torch_ROOT to one that was built with CUDA")
    endif()
    # The wheel of torch leaves cuDNN and others to further wheels; without them the linker names symbols, not packages.
    execute_process(COMMAND ldd ${LibTorch_CUDA_LIBRARY} OUTPUT_VARIABLE _needed ERROR_QUIET)
    string(REGEX MATCHALL "[^ \t\n]+ => not found" _missing "${_needed}")
    if(_missing)
      string(REPLACE " => not found" "" _missing "${_missing}")
      string(REPLACE ";" ", " _missing "${_missing}")
      message(FATAL_ERROR "${LibTorch_CUDA_LIBRARY} needs libraries that are not there: ${_missing}. Run "
                          "launch/setup --cuda, or set Torch_ROOT to a complete LibTorch with CUDA")
    endif()
    find_package(CUDARuntime REQUIRED)
    find_package(NCCL 2.18 REQUIRED)
    # No definition and no include folder comes with it: a source that does not itself call CUDA compiles to the very same
    # object as without, which the compiler cache knows. The few others link CUDARuntime::cudart and NCCL::nccl.
    target_link_libraries(msn_torch INTERFACE LibTorch::cuda)
  else()
    target_link_libraries(msn_torch INTERFACE LibTorch::cpu)
  endif()
  # Of programs where they are built; an installed one knows only its own lib/ (cmake/Install.cmake).
  list(APPEND CMAKE_BUILD_RPATH ${LibTorch_LIBRARY_DIRS})
endif()
include(KokkosSources)
if(MSN_TESTS)
  find_package(GTest REQUIRED)
endif()
