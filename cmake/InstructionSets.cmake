# SPDX-License-Identifier: Apache-2.0
# add_row_kernels(TARGET SOURCES...): compiles each source once for every instruction set (src/kernels/instruction_set.hpp) with
# MSN_ISA set to the namespace of its form, and adds the objects to TARGET. Functions that other sources may hold too (inline
# functions and templates of the standard library, say) must stay out of these sources: the linker keeps one of all copies, and
# it may be one that this processor cannot run.
function(add_row_kernels target)
  set(common -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math -ffp-contract=fast)
  set(generic)
  set(avx2 -march=x86-64-v3)
  set(avx512 -march=x86-64-v4 -mprefer-vector-width=512)
  set(sets generic)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND sets avx2 avx512)
  endif()
  foreach(set IN LISTS sets)
    add_library(${target}_${set} OBJECT ${ARGN})
    target_compile_definitions(${target}_${set} PRIVATE MSN_ISA=${set})
    target_compile_options(${target}_${set} PRIVATE ${common} ${${set}})
    target_include_directories(${target}_${set} PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_${set}>)
  endforeach()
endfunction()
