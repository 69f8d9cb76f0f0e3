# SPDX-License-Identifier: Apache-2.0
# Finds Kokkos 3.4 to 5.x. Debian's package (part of Trilinos) exports a target whose include
# directory does not exist; its real one stands in Kokkos_INCLUDE_DIRS.
if(NOT DEFINED Kokkos_ROOT AND NOT DEFINED ENV{Kokkos_ROOT} AND EXISTS /usr/lib/x86_64-linux-gnu/cmake/Kokkos)
  set(Kokkos_DIR_HINT /usr/lib/x86_64-linux-gnu/cmake/Kokkos)
endif()
# A Kokkos with CUDA would pass every command of the build through a script of its own (KokkosSources.cmake).
set(Kokkos_LAUNCH_COMPILER OFF)
find_package(Kokkos REQUIRED CONFIG HINTS ${Kokkos_DIR_HINT})
if(Kokkos_VERSION VERSION_LESS 3.4)
  message(FATAL_ERROR "Kokkos ${Kokkos_VERSION} is too old: 3.4 or later is needed")
endif()

# The target that carries the library: Kokkos::kokkos, or kokkoscore in Trilinos' older layout.
set(_kokkos_targets Kokkos::kokkos Kokkos::kokkoscore kokkoscore)
foreach(_target IN LISTS _kokkos_targets)
  if(TARGET ${_target})
    get_target_property(_includes ${_target} INTERFACE_INCLUDE_DIRECTORIES)
    set(_mended "")
    foreach(_dir IN LISTS _includes)
      if(NOT IS_ABSOLUTE "${_dir}" OR EXISTS "${_dir}")
        list(APPEND _mended "${_dir}")
      endif()
    endforeach()
    if(NOT "${_mended}" STREQUAL "${_includes}")
      list(APPEND _mended ${Kokkos_INCLUDE_DIRS})
      set_target_properties(${_target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_mended}")
      message(STATUS "Kokkos: mended the include directory of ${_target} (${Kokkos_INCLUDE_DIRS})")
    endif()
    # SYSTEM, so that its headers do not warn in our build.
    set_target_properties(${_target} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${_mended}")
  endif()
endforeach()
