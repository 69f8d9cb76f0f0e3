# SPDX-License-Identifier: Apache-2.0
# msn_options: the flags that every target of ours takes.
add_library(msn_options INTERFACE)
target_include_directories(msn_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
# Contraction to fused multiply-add changes bits between compilers and instruction sets; the views and the optimiser
# promise bits.
set(_cxx "$<COMPILE_LANGUAGE:C,CXX>")
target_compile_options(msn_options INTERFACE "$<${_cxx}:-Wall;-Wextra;-Wpedantic;-ffp-contract=off>"
                                             "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-ffp-contract=off>")
# GCC 12 sees an overlapping copy in "text" + std::string (its bug 105651); its own header is at fault, not the caller.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(msn_options INTERFACE "$<${_cxx}:-Wno-restrict>")
endif()
if(MSN_WERROR)
  target_compile_options(msn_options INTERFACE "$<${_cxx}:-Werror>")
endif()
if(MSN_SANITIZE)
  target_compile_options(msn_options INTERFACE -fsanitize=${MSN_SANITIZE} -fno-omit-frame-pointer
                                               -fno-sanitize-recover=all)
  target_link_options(msn_options INTERFACE -fsanitize=${MSN_SANITIZE})
endif()
