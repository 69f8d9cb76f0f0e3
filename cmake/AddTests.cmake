# SPDX-License-Identifier: Apache-2.0
# add_unit_test(NAME SOURCES ... LIBRARIES ... [LABELS ...] [TIMEOUT S])
#   One GoogleTest binary, one CTest per binary. The default label is `unit`.
# add_mpi_test(NAME RANKS 1 2 ... SOURCES ... LIBRARIES ... [LABELS ...] [TIMEOUT S])
#   One GoogleTest binary with main() from tests/support/mpi_main.cpp, one CTest per rank count. The count is passed as --ranks=N and
#   the binary fails if the world has another size. The default label is `mpi`. A watchdog inside ends a hanging test
#   before CTest's own TIMEOUT does.
# A test of code with threads carries the label `threads` beside its own; the thread sanitizer runs these (target threads).

# _msn_test_program(NAME DEFAULT_LABEL RUNNER ...): what both kinds have in common, the arguments as T_... among it. RUNNER is
# the library with main().
macro(_msn_test_program name default_label runner)
  cmake_parse_arguments(T "" "TIMEOUT" "RANKS;SOURCES;LIBRARIES;LABELS" ${ARGN})
  if(NOT T_LABELS)
    set(T_LABELS ${default_label})
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_executable(${name} ${T_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${runner} ${T_LIBRARIES})
  if(MSN_TESTS_OF_TORCH)
    reuse_torch_headers(msn_reference ${name})
  endif()
  if(threads IN_LIST T_LABELS)
    add_dependencies(threads ${name})
  endif()
endmacro()

function(add_unit_test name)
  _msn_test_program(${name} unit GTest::gtest_main ${ARGN})
  target_link_libraries(${name} PRIVATE msn_test_support)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} ENVIRONMENT "OMP_NUM_THREADS=1")
endfunction()

# mpi_command(VARIABLE RANKS COMMAND...): the command line that starts COMMAND on RANKS ranks, more than cores allowed.
function(mpi_command out ranks)
  set(${out} ${MPIEXEC_EXECUTABLE} --oversubscribe ${MPIEXEC_NUMPROC_FLAG} ${ranks} ${MPIEXEC_PREFLAGS} ${ARGN}
      ${MPIEXEC_POSTFLAGS} PARENT_SCOPE)
endfunction()

# mpi_environment(VARIABLE): what CTest sets for a test that starts mpirun; root containers need the last two.
set(MSN_MPI_TEST_ENVIRONMENT OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    OMPI_MCA_mpi_yield_when_idle=1)
if(MSN_SANITIZE)
  # MPI libraries keep memory to the end and unload the code that took it, so that leaks cannot be told apart; unit tests
  # look for ours. Fault tests want the signal's own exit code. MPI's internal threads are not instrumented.
  list(APPEND MSN_MPI_TEST_ENVIRONMENT ASAN_OPTIONS=detect_leaks=0:handle_segv=0
       TSAN_OPTIONS=handle_segv=0:ignore_noninstrumented_modules=1)
endif()

# add_bundled_test(NAME LABEL L RANKS N TARGET T ARGUMENTS ... [ENVIRONMENT ...])
# add_bundled_test(NAME LABEL L SCRIPT tests/FOLDER/X.sh)
#   A test of this build in the bundle too (cmake/Install.cmake), for machines that have what this one lacks:
#   ctest --test-dir BUNDLE -L LABEL, which runs them in that folder. A script gets the words of a run test: MSN SOURCE MPIRUN...
function(add_bundled_test name)
  cmake_parse_arguments(T "" "LABEL;RANKS;TARGET;SCRIPT" "ARGUMENTS;ENVIRONMENT" ${ARGN})
  get_filename_component(mpiexec ${MPIEXEC_EXECUTABLE} NAME)
  set(mpirun "${mpiexec} --oversubscribe ${MPIEXEC_NUMPROC_FLAG}")
  string(REPLACE ";" " " environment "${MSN_MPI_TEST_ENVIRONMENT};${T_ENVIRONMENT}")
  if(T_SCRIPT)
    set_property(GLOBAL APPEND PROPERTY MSN_BUNDLED_SCRIPTS ${T_SCRIPT})
    set(command "${T_SCRIPT} bin/msn . ${mpirun} RANKS")
  else()
    set_property(GLOBAL APPEND PROPERTY MSN_BUNDLED_TARGETS ${T_TARGET})
    string(REPLACE ";" "\" \"" arguments "${T_ARGUMENTS}")
    set(command "${mpirun} ${T_RANKS} launch/with-libtorch tests/${T_TARGET} \"${arguments}\"")
  endif()
  set_property(GLOBAL APPEND_STRING PROPERTY MSN_BUNDLED_TESTS
    "add_test(${name} env ${environment} ${command})
set_tests_properties(${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT 900 RUN_SERIAL TRUE)
")
endfunction()

# add_gpu_test(NAME RANKS N TARGET T ARGUMENTS ... [ENVIRONMENT ...])
#   T on so many ranks, with a GPU each; in the bundle too. Label gpu, of more than one rank gpus: they fail where there
#   are fewer. GOLDEN in an argument is the folder of the golden files.
function(add_gpu_test name)
  cmake_parse_arguments(T "" "RANKS;TARGET" "ARGUMENTS;ENVIRONMENT" ${ARGN})
  set(label gpu)
  if(T_RANKS GREATER 1)
    set(label gpus)
  endif()
  string(REPLACE GOLDEN ${CMAKE_SOURCE_DIR}/tests/golden arguments "${T_ARGUMENTS}")
  mpi_command(command ${T_RANKS} $<TARGET_FILE:${T_TARGET}> ${arguments})
  add_test(NAME ${name} COMMAND ${command})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 300 RUN_SERIAL TRUE
                       ENVIRONMENT "${MSN_MPI_TEST_ENVIRONMENT};${T_ENVIRONMENT}")
  string(REPLACE GOLDEN tests/golden arguments "${T_ARGUMENTS}")
  add_bundled_test(${name} LABEL ${label} RANKS ${T_RANKS} TARGET ${T_TARGET} ARGUMENTS ${arguments}
                   ENVIRONMENT ${T_ENVIRONMENT})
endfunction()

function(add_mpi_test name)
  _msn_test_program(${name} mpi msn_mpi_main ${ARGN})
  foreach(ranks IN LISTS T_RANKS)
    mpi_command(command ${ranks} $<TARGET_FILE:${name}> --ranks=${ranks})
    add_test(NAME ${name}_${ranks} COMMAND ${command})
    set_tests_properties(${name}_${ranks} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} PROCESSORS ${ranks}
                         ENVIRONMENT "${MSN_MPI_TEST_ENVIRONMENT}")
  endforeach()
endfunction()
