# SPDX-License-Identifier: Apache-2.0
#[[
LibTorch's headers take the compiler longer than most sources that include them, so that they are compiled once for all
sources of a kind.

precompile_torch_headers(TARGET HEADERS...)  TARGET compiles them, with HEADERS, for itself and others
reuse_torch_headers(OWNER TARGETS...)        the targets, compiled with the same flags, take those of OWNER

Every source names the headers that it needs all the same: MSN_PRECOMPILE=OFF builds without.
]]
option(MSN_PRECOMPILE "Compile LibTorch's headers once for many sources" ON)

# GCC 12 does not know a system's header again that was precompiled, and warns of its own std::string.
function(_tolerate_precompiled target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-array-bounds>)
  endif()
endfunction()

function(precompile_torch_headers target)
  if(MSN_PRECOMPILE)
    _tolerate_precompiled(${target})
    target_precompile_headers(${target} PRIVATE <ATen/core/Tensor.h> <ATen/TensorOperators.h> <ATen/ops/empty.h>
                              <ATen/ops/zeros.h> <ATen/ops/from_blob.h> ${ARGN})
  endif()
endfunction()

function(reuse_torch_headers owner)
  if(MSN_PRECOMPILE)
    foreach(target IN LISTS ARGN)
      _tolerate_precompiled(${target})
      target_precompile_headers(${target} REUSE_FROM ${owner})
    endforeach()
  endif()
endfunction()
