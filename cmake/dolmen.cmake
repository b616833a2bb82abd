# Build rules shared by every folder: warnings, sanitizers, and the helpers that declare libraries, programs and tests.
find_package(PkgConfig REQUIRED)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(BLKID REQUIRED IMPORTED_TARGET blkid)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_package(Threads REQUIRED)
# liblmdb ships no CMake package, and its .pc file is Debian's own addition.
find_library(LMDB_LIBRARY lmdb REQUIRED)

option(DOLMEN_FUZZ "build the libFuzzer programs (clang only)" OFF)

set(DOLMEN_CPU_FLAGS "")
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set(DOLMEN_CPU_FLAGS -msse4.2 -mpclmul)
endif()

add_library(dol_flags INTERFACE)
target_compile_features(dol_flags INTERFACE c_std_17)
target_compile_definitions(dol_flags INTERFACE _GNU_SOURCE)
target_compile_options(dol_flags INTERFACE
  -std=gnu17 -g -fno-omit-frame-pointer -fno-strict-aliasing
  -Wall -Wextra -Wconversion -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes -Wvla
  ${DOLMEN_CPU_FLAGS})

# dolmen_library(NAME SOURCES a.c b.c PUBLIC deps... PRIVATE deps...)
function(dolmen_library name)
  cmake_parse_arguments(LIB "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${LIB_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC dol_contracts ${LIB_PUBLIC} PRIVATE dol_flags ${LIB_PRIVATE})
endfunction()

# dolmen_program(NAME SOURCES ... LINK ...)
function(dolmen_program name)
  cmake_parse_arguments(PROG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${PROG_SOURCES})
  target_link_libraries(${name} PRIVATE dol_flags dol_contracts ${PROG_LINK})
endfunction()

# dolmen_test(NAME SOURCES ... LINK ... [LABELS quick]) declares one cmocka program as one ctest entry.
function(dolmen_test name)
  cmake_parse_arguments(TST "" "" "SOURCES;LINK;LABELS" ${ARGN})
  dolmen_program(${name} SOURCES ${TST_SOURCES} LINK ${TST_LINK} PkgConfig::CMOCKA)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200 LABELS "${TST_LABELS}")
endfunction()

# dolmen_fuzzer(NAME SOURCES ... LINK ...): a libFuzzer program in the fuzz preset; elsewhere the same source,
# driven by tests/fuzz/replay.c, replays its corpus (tests/fuzz/corpus/NAME) as a ctest entry.
function(dolmen_fuzzer name)
  cmake_parse_arguments(FZ "" "" "SOURCES;LINK" ${ARGN})
  if(DOLMEN_FUZZ)
    dolmen_program(${name} SOURCES ${FZ_SOURCES} LINK ${FZ_LINK})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    dolmen_program(${name} SOURCES ${FZ_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c LINK ${FZ_LINK})
    add_test(NAME ${name} COMMAND ${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS quick)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
