# SPDX-License-Identifier: Apache-2.0
#[[
cmake --install and cpack: a bundle that runs wherever it is unpacked (docs/clusters.md).

  bin/msn            starts libexec/msn/msn with the site's LibTorch (launch/with-libtorch)
  launch/msn-launch  submits a training to a scheduler, by launch/templates and launch/run-job
  launch/convert-pth turns .pth files of weights into safetensors files and back, with a torch of the user's
  lib/               libraries that a site seldom has: HDF5, JPEG, PNG, spdlog and the like
  lib/fallback/      what a site has as a rule, each in a folder of its own, of which only those are used that are missing
                     or too old: libstdc++, zlib, what HDF5's S3 driver wants
  tests/             component `tests`: what a machine with a GPU is tested with

Out of it stay: glibc and the loader, which fit only each other; MPI, which must be the site's own to reach its network
and scheduler; LibTorch with the CUDA libraries beside it (3 GB that a site has, or pip brings), whose libgomp is the one
of the process; the NVIDIA driver, which belongs to the kernel.
]]
set(_cuda none)
if(MSN_CUDA)
  set(_cuda ${CUDARuntime_VERSION})
endif()
configure_file(${CMAKE_SOURCE_DIR}/cmake/bundle/build.txt.in ${CMAKE_BINARY_DIR}/msn-build.txt @ONLY)

set_target_properties(msn PROPERTIES INSTALL_RPATH "$ORIGIN/../../lib")
install(TARGETS msn RUNTIME DESTINATION libexec/msn COMPONENT msn)
install(PROGRAMS cmake/bundle/msn DESTINATION bin COMPONENT msn)
install(PROGRAMS launch/convert-pth launch/msn-launch launch/run-job launch/scaling-study launch/with-libtorch
        DESTINATION launch COMPONENT msn)
install(DIRECTORY launch/scheduler launch/study launch/templates DESTINATION launch COMPONENT msn PATTERN __pycache__ EXCLUDE)
install(FILES ${CMAKE_BINARY_DIR}/msn-build.txt DESTINATION lib COMPONENT msn)
install(DIRECTORY configs datasets docs DESTINATION . USE_SOURCE_PERMISSIONS COMPONENT msn)
install(FILES README.md LICENSE DESTINATION . COMPONENT msn)
set(_programs $<TARGET_FILE:msn>)

if(MSN_TESTS)
  get_property(_tested GLOBAL PROPERTY MSN_BUNDLED_TARGETS)
  get_property(_tests GLOBAL PROPERTY MSN_BUNDLED_TESTS)
  set(_tested trace_replay augment_replay ${_tested})
  list(REMOVE_DUPLICATES _tested)
  foreach(_test IN LISTS _tested)
    set_target_properties(${_test} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
    install(TARGETS ${_test} RUNTIME DESTINATION tests COMPONENT tests)
    list(APPEND _programs $<TARGET_FILE:${_test}>)
  endforeach()
  file(WRITE ${CMAKE_BINARY_DIR}/bundle/CTestTestfile.cmake
    "# ctest --test-dir of this folder, on a machine with GPUs.\n${_tests}")
  install(FILES ${CMAKE_BINARY_DIR}/bundle/CTestTestfile.cmake DESTINATION . COMPONENT tests)
  if(TARGET cuda_tests)
    add_dependencies(cuda_tests trace_replay augment_replay)
  endif()
  install(DIRECTORY tests/golden DESTINATION tests COMPONENT tests)
  get_property(_scripts GLOBAL PROPERTY MSN_BUNDLED_SCRIPTS)
  foreach(_script IN LISTS _scripts ITEMS tests/gpu/run tests/train/common.sh tests/faults/common.sh)
    get_filename_component(_folder ${_script} DIRECTORY)
    install(PROGRAMS ${_script} DESTINATION ${_folder} COMPONENT tests)
  endforeach()
endif()

install(CODE "set(programs ${_programs})" COMPONENT msn)
install(SCRIPT cmake/bundle/libraries.cmake COMPONENT msn)

set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_NAME msn)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" _system)
set(_device cpu)
if(MSN_CUDA)
  set(_device cuda${CUDARuntime_VERSION})
endif()
set(CPACK_PACKAGE_FILE_NAME msn-${PROJECT_VERSION}-${_system}-${_device}-torch${LibTorch_VERSION})
set(CPACK_THREADS 0)
include(CPack)
