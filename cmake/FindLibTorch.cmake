# SPDX-License-Identifier: Apache-2.0
#[[
Finds LibTorch without its own package file, which drags in the CUDA language even for a CPU build.

Looks in Torch_ROOT (CMake variable or environment), then in .deps/torch, which launch/setup fills. Accepts the layout
of the PyPI wheel (torch/, nvidia/ beside it) and of the official LibTorch archive. Defines

  LibTorch::cpu       libtorch_cpu, libc10
  LibTorch::cuda      LibTorch::cpu and libtorch_cuda, libc10_cuda, where these are present
  LibTorch_VERSION, LibTorch_CXX11_ABI, LibTorch_HAS_CUDA, LibTorch_LIBRARY_DIRS (for run paths), LibTorch_OPENMP
]]
set(_roots ${Torch_ROOT} $ENV{Torch_ROOT} ${CMAKE_SOURCE_DIR}/.deps/torch)
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h HINTS ${_roots} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${_roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${_roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY torch_cuda HINTS ${_roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS ${_roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_CUDA_LIBRARY
                 LibTorch_C10_CUDA_LIBRARY)

if(LibTorch_INCLUDE_DIR)
  foreach(_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS ${LibTorch_INCLUDE_DIR}/${_header} AND NOT LibTorch_VERSION)
      file(STRINGS ${LibTorch_INCLUDE_DIR}/${_header} _lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX REPLACE "[^0-9;]" "" _numbers "${_lines}")
      string(REPLACE ";" "." LibTorch_VERSION "${_numbers}")
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "Run launch/setup, or set Torch_ROOT to a LibTorch 2.7 or later (the folder that holds include/ and lib/).")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  if(LibTorch_VERSION VERSION_LESS 2.7)
    message(FATAL_ERROR "LibTorch ${LibTorch_VERSION} is too old: 2.7 or later is needed")
  endif()
  get_filename_component(_lib_dir ${LibTorch_CPU_LIBRARY} DIRECTORY)
  get_filename_component(_site_dir ${_lib_dir}/../.. ABSOLUTE)
  set(LibTorch_LIBRARY_DIRS ${_lib_dir})
  # The wheel keeps the CUDA libraries that libtorch_cpu.so itself needs (cudart, cupti) in nvidia/ beside torch/.
  file(GLOB _nvidia_dirs ${_site_dir}/nvidia/*/lib)
  list(APPEND LibTorch_LIBRARY_DIRS ${_nvidia_dirs})

  # Which std::string LibTorch was built with: names with the new one carry "__cxx11".
  file(STRINGS ${LibTorch_C10_LIBRARY} _cxx11 REGEX "__cxx11" LIMIT_COUNT 1)
  set(LibTorch_CXX11_ABI 0)
  if(_cxx11)
    set(LibTorch_CXX11_ABI 1)
  endif()

  # One OpenMP runtime a process: LibTorch's own libgomp where it ships one, else the compiler's.
  file(GLOB LibTorch_OPENMP ${_lib_dir}/libgomp*.so*)
  if(NOT LibTorch_OPENMP)
    set(LibTorch_OPENMP "the compiler's")
  endif()

  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${LibTorch_C10_LIBRARY})
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES IMPORTED_LOCATION ${LibTorch_CPU_LIBRARY})
  target_include_directories(LibTorch::cpu SYSTEM INTERFACE
    ${LibTorch_INCLUDE_DIR} ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include)
  target_compile_definitions(LibTorch::cpu INTERFACE _GLIBCXX_USE_CXX11_ABI=${LibTorch_CXX11_ABI})
  target_link_libraries(LibTorch::cpu INTERFACE LibTorch::c10 Threads::Threads)
  # The linker must find what the imported libraries need in turn; the run path does the same at start.
  foreach(_dir IN LISTS LibTorch_LIBRARY_DIRS)
    target_link_options(LibTorch::cpu INTERFACE "LINKER:-rpath-link,${_dir}")
  endforeach()

  set(LibTorch_HAS_CUDA OFF)
  if(LibTorch_CUDA_LIBRARY AND LibTorch_C10_CUDA_LIBRARY)
    set(LibTorch_HAS_CUDA ON)
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    # Nothing of ours names a symbol of libtorch_cuda: it registers its kernels when it is loaded.
    target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu
      "-Wl,--no-as-needed" ${LibTorch_CUDA_LIBRARY} ${LibTorch_C10_CUDA_LIBRARY} "-Wl,--as-needed")
  endif()
endif()
