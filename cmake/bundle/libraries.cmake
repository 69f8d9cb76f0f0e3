# SPDX-License-Identifier: Apache-2.0
# Runs when a bundle is installed: copies what `programs` load into lib/ and lib/fallback/ (cmake/Install.cmake).

# What is the site's. Nor are the libraries that these load in turn looked at.
set(site
  "^ld-linux" "^lib(c|m|dl|rt|pthread|util|resolv|mvec|anl|nsl)\\.so"
  "^lib(mpi|open-rte|open-pal|pmix|prrte)" "^lib(torch|c10|shm|gomp)"
  "^lib(cuda|cudart|cupti|cublas|cudnn|cusparse|cusolver|cufft|curand|cufile|nccl|nvrtc|nvJitLink|nvshmem|nvToolsExt)")
set(own "^lib(hdf5|jpeg|png|spdlog|fmt|xxhash|tomlplusplus|kokkos|trilinos|sz|aec)")

file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} RESOLVED_DEPENDENCIES_VAR found
     UNRESOLVED_DEPENDENCIES_VAR unresolved PRE_EXCLUDE_REGEXES ${site})
if(unresolved)
  message(FATAL_ERROR "these libraries were not found: ${unresolved}")
endif()
foreach(library IN LISTS found)
  get_filename_component(name ${library} NAME)
  set(folder lib/fallback/${name})  # Each by itself, for nothing that the system has is to be replaced.
  if(name MATCHES "${own}")
    set(folder lib)
  endif()
  file(INSTALL ${library} DESTINATION ${CMAKE_INSTALL_PREFIX}/${folder} FOLLOW_SYMLINK_CHAIN)
endforeach()

# The latest version of the C and C++ libraries' symbols that the programs and their own libraries demand.
set(glibc 0)
set(libstdcxx 0)
file(GLOB files ${CMAKE_INSTALL_PREFIX}/lib/*.so*)
foreach(file IN LISTS programs files)
  execute_process(COMMAND objdump -p ${file} OUTPUT_VARIABLE headers COMMAND_ERROR_IS_FATAL ANY)
  foreach(library IN ITEMS glibc:GLIBC_ libstdcxx:GLIBCXX_)
    string(REPLACE ":" ";" library ${library})
    list(GET library 0 name)
    list(GET library 1 prefix)
    # "0x09691a75 0x00 12 GLIBC_2.2.5" are demands; what a library offers has no such third column.
    string(REGEX MATCHALL "0x[0-9a-f]+ 0x[0-9a-f]+ [0-9]+ ${prefix}[0-9.]+" demands "${headers}")
    foreach(demand IN LISTS demands)
      string(REGEX REPLACE ".*${prefix}" "" version "${demand}")
      if(version VERSION_GREATER ${name})
        set(${name} ${version})
      endif()
    endforeach()
  endforeach()
endforeach()
file(APPEND ${CMAKE_INSTALL_PREFIX}/lib/msn-build.txt "glibc=${glibc}\nlibstdcxx=${libstdcxx}\n")
message(STATUS "The bundle demands glibc ${glibc}, libstdc++ GLIBCXX_${libstdcxx}")
